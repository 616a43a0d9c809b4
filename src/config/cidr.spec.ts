import { Cidr, inRanges, parseCidr } from './cidr';

const ranges = (...texts: string[]): Cidr[] => texts.map((text) => parseCidr(text)!);

describe('parseCidr', () => {
  it.each(['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8', '0.0.0.0/0'])('reads %s', (text) =>
    expect(parseCidr(text)).not.toBeNull(),
  );

  it.each(['', 'proxy.local', '10.0.0.0/33', '10.0.0.0/', '10.0.0.256', '::1/129', '/8', 'x/y'])(
    'refuses %j',
    (text) => expect(parseCidr(text)).toBeNull(),
  );
});

describe('inRanges', () => {
  it.each([
    ['10.255.0.1', ['10.0.0.0/8'], true],
    ['11.0.0.1', ['10.0.0.0/8'], false],
    ['::ffff:10.0.0.1', ['10.0.0.0/8'], true],
    ['fd12::1', ['10.0.0.0/8', 'fd00::/8'], true],
    ['fe80::1', ['fd00::/8'], false],
    ['127.0.0.1', ['127.0.0.1'], true],
    ['127.0.0.2', ['127.0.0.1'], false],
    ['::1', ['127.0.0.1'], false],
    ['rubbish', ['0.0.0.0/0', '::/0'], false],
    ['', ['0.0.0.0/0'], false],
    ['10.0.0.1', [], false],
  ])('%s in %j: %s', (address, texts, isIn) => expect(inRanges(address, ranges(...texts))).toBe(isIn));
});
