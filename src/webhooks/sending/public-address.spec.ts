import fc from 'fast-check';
import { isInNetworks, isPublicAddress } from './public-address';

const PUBLIC = ['8.8.8.8', '1.1.1.1', '193.0.0.1', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e'];

const PRIVATE = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.254',
  '127.0.0.1',
  '127.255.255.255',
  '168.63.129.16', // Azure's WireServer
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1', // IPv4-compatible, 127.0.0.1
  '::808:808', // the same of a public one: nobody is there
  '100::1',
  'fe80::1',
  'fec0::1',
  'fc00::1',
  'fd12:3456::1',
  'ff02::1',
  '2001:db8::1',
  '3fff::1',
  '2001:2::1',
  '2001:10::1',
  '5f00::1',
  '4000::1',
];

/** An IPv4 address in each of the forms that lead to it. */
function wrappings(ip: string): { unwrapped: string[]; tunnels: string[] } {
  const [a, b, c, d] = ip.split('.').map(Number) as [number, number, number, number];
  const pair = (one: number, other: number) => ((one << 8) | other).toString(16);
  const hex = `${pair(a, b)}:${pair(c, d)}`;
  const inverted = `${pair(255 - a, 255 - b)}:${pair(255 - c, 255 - d)}`;
  return {
    unwrapped: [
      `::ffff:${ip}`,
      `::ffff:${hex}`,
      `0:0:0:0:0:FFFF:${hex}`,
      `64:ff9b::${hex}`,
      `64:ff9b::${ip}`,
    ],
    tunnels: [
      `2002:${hex}::1`,
      `2001:0:4136:e378:8000:63bf:${inverted}`,
      `64:ff9b:1::${hex}`,
      `::ffff:0:${hex}`,
      `::${hex}`,
    ],
  };
}

describe('isPublicAddress', () => {
  it.each(PUBLIC)('passes %s', (ip) => {
    expect(isPublicAddress(ip)).toBe(true);
  });

  it.each(PRIVATE)('refuses %s', (ip) => {
    expect(isPublicAddress(ip)).toBe(false);
  });

  it('judges an IPv4 address inside an IPv6 one by what it is, and refuses tunnels whole', () => {
    for (const ip of PUBLIC.slice(0, 3)) {
      expect(wrappings(ip).unwrapped.map((wrapped) => isPublicAddress(wrapped))).not.toContain(false);
      expect(wrappings(ip).tunnels.map((wrapped) => isPublicAddress(wrapped))).not.toContain(true);
    }
    for (const ip of PRIVATE.filter((address) => address.includes('.'))) {
      const { unwrapped, tunnels } = wrappings(ip);
      expect([...unwrapped, ...tunnels].map((wrapped) => isPublicAddress(wrapped))).not.toContain(true);
    }
  });

  it.each([
    '',
    'localhost',
    '127.1',
    '0177.0.0.1',
    '0x7f000001',
    '2130706433',
    '8.8.8.8 ',
    '[::1]',
    '8.8.8.8:80',
  ])('refuses what is not an address in its plain form: "%s"', (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });

  it('refuses addresses with a zone', () => {
    expect(isPublicAddress('fe80::1%eth0', ['::/0'])).toBe(false);
    expect(isPublicAddress('2606:4700:4700::1111%eth0')).toBe(false);
  });

  it('passes what is inside the networks that are allowed, and nothing beside', () => {
    const allowed = ['10.1.0.0/16', 'fd00:1::/32', '192.168.7.7'];
    for (const ip of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', 'fd00:1::5', '192.168.7.7'])
      expect([ip, isPublicAddress(ip, allowed), isInNetworks(ip, allowed)]).toEqual([ip, true, true]);
    for (const ip of ['10.2.0.1', '127.0.0.1', 'fd00:2::5', '192.168.7.8', '::ffff:127.0.0.1'])
      expect([ip, isPublicAddress(ip, allowed), isInNetworks(ip, allowed)]).toEqual([ip, false, false]);
    expect(isInNetworks('8.8.8.8', allowed)).toBe(false);
    expect(isPublicAddress('127.0.0.1', ['nonsense', ''])).toBe(false);
  });

  it('never passes any address of the special IPv4 networks, in whatever form', () => {
    const networks = [
      [10, 8],
      [127, 8],
      [0, 8],
      [169 * 256 + 254, 16],
      [192 * 256 + 168, 16],
      [172 * 256 + 16, 12],
      [14, 4],
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...networks), fc.nat(0xffffffff), ([prefix, bits], rest) => {
        const base = bits % 8 === 0 ? prefix * 2 ** (32 - bits) : bits === 4 ? 0xe0000000 : 0xac100000;
        const number = base + (rest % 2 ** (32 - bits));
        const ip = [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
        const { unwrapped, tunnels } = wrappings(ip);
        for (const form of [ip, ...unwrapped, ...tunnels])
          expect([form, isPublicAddress(form)]).toEqual([form, false]);
      }),
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof isPublicAddress(text, [text]) === 'boolean'));
  });
});
