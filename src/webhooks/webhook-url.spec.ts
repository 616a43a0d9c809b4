import { MOST_URL_LENGTH, webhookUrl } from './webhook-url';

const PRIVATE = ['10.0.0.0/8', 'fd00::/8'];

const stored = (text: string, networks: string[] = []): string | undefined => {
  const read = webhookUrl(text, networks);
  return 'url' in read ? read.url : undefined;
};
const problem = (text: string, networks: string[] = []): string | undefined => {
  const read = webhookUrl(text, networks);
  return 'problem' in read ? read.problem : undefined;
};

describe('the URL of a webhook', () => {
  it.each([
    ['https://example.com', 'https://example.com/'],
    ['https://example.com/', 'https://example.com/'],
    ['HTTPS://Hooks.Example.COM:443/a/../b?c=d', 'https://hooks.example.com/b?c=d'],
    ['https://example.com:8443/x?token=a%20b&c=@', 'https://example.com:8443/x?token=a%20b&c=@'],
    ['https://a_b.xn--bcher-kva.example/%7Ex', 'https://a_b.xn--bcher-kva.example/%7Ex'],
    ['https://example.com?x', 'https://example.com/?x'],
    ['https://%65xample.com/', 'https://example.com/'],
    ['https://localhost.example.com/', 'https://localhost.example.com/'],
    ['https://my.localx/', 'https://my.localx/'],
    ['https://8.8.8.8/', 'https://8.8.8.8/'],
    ['https://0x8080808/', 'https://8.8.8.8/'],
    ['https://[2606:4700::1111]:8443/', 'https://[2606:4700::1111]:8443/'],
  ])('may be %s', (text, url) => expect(stored(text)).toBe(url));

  it.each([
    ['http://10.1.2.3:8080/x', 'http://10.1.2.3:8080/x'],
    ['https://10.1.2.3/x', 'https://10.1.2.3/x'],
    ['http://0x0a.1.515/', 'http://10.1.2.3/'],
    ['http://[fd12::1]/', 'http://[fd12::1]/'],
    ['http://[::ffff:10.1.2.3]/', 'http://[::ffff:a01:203]/'],
  ])('may be %s where the operator allows the network', (text, url) => {
    expect(stored(text, PRIVATE)).toBe(url);
    expect(stored(text)).toBeUndefined();
  });

  it.each([
    ['http://example.com/', 'must be https'],
    ['http://8.8.8.8/', 'must be https'],
    ['http://11.1.2.3/', 'must be https'],
    ['http://receiver.internal/', 'must be https'],
    ['https://11.0.0.1.nip.localhost/', 'must not be a private name'],
    ['https://127.0.0.1/', 'must not be a private address'],
    ['https://192.168.1.1/', 'must not be a private address'],
  ])('must not be %s because other networks are allowed: %s', (text, words) =>
    expect(problem(text, PRIVATE)).toBe(words),
  );

  it.each([
    '',
    ' ',
    'example.com',
    '//example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/plain,x',
    'ws://example.com/',
    'https:example.com',
    'https:/example.com',
    'https:///example.com',
    'https:\\\\example.com',
    'https://example.com\\@127.0.0.1/',
    'https://',
    'https://?x',
    ' https://example.com/',
    'https://example.com/ ',
    'https://exam ple.com/',
    'https://exa\tmple.com/',
    'https://example.com/\n',
    'https://example.com/\0',
    'https://bücher.example/',
    'https://ｅｘａｍｐｌｅ.com/',
    'https://127。0。0。1/',
    'https://example.com/é',
    'https://example.com/%zz',
    'https://example.com/%',
    'https://example.com/[x]',
    'https://example.com/{x}',
    'https://example.com:99999/',
    'https://example.com:x/',
    'https://[::1/',
    'https://[fe80::1%25eth0]/',
    'https://1.2.3.4.5/',
    'https://1.2.3.256/',
    'https://example.1/',
    'https://%00example.com/',
  ])('is no URL where it is %j', (text) => expect(problem(text)).toMatch(/^must be an absolute https URL/));

  it.each([
    'https://u@example.com/',
    'https://u:p@example.com/',
    'https://@example.com/',
    'https://:@example.com/',
  ])('must have no user: %s', (text) => expect(problem(text)).toBe('must have no user or password'));

  it.each(['https://example.com/#x', 'https://example.com/#', 'https://example.com#@127.0.0.1/'])(
    'must have no fragment: %s',
    (text) => expect(problem(text)).toBe('must have no fragment'),
  );

  it.each([
    ['https://localhost/', 'private name'],
    ['https://LOCALHOST:8443/', 'private name'],
    ['https://a.localhost/', 'private name'],
    ['https://%6c%6fcalhost/', 'private name'],
    ['https://printer.local/', 'private name'],
    ['https://metadata.google.internal/', 'private name'],
    ['https://x.localdomain/', 'private name'],
    ['https://router.home.arpa/', 'private name'],
    ['https://expyuzz4wqqyqhjn.onion/', 'private name'],
    ['https://intranet/', 'full name'],
    ['https://com/', 'full name'],
    ['https://example.com./', 'dot at its end'],
    ['https://localhost./', 'dot at its end'],
    ['https://-example.com/', 'name of a host'],
    ['https://example-.com/', 'name of a host'],
    ['https://a..example.com/', 'name of a host'],
    ['https://.example.com/', 'name of a host'],
    ['https://ex*mple.com/', 'name of a host'],
    [`https://${'a'.repeat(64)}.com/`, 'name of a host'],
    [`https://${'abcdefgh.'.repeat(30)}com/`, 'name of a host'],
    ['https://example.com:0/', 'port above 0'],
  ])('must have a public name for its host, not as in %s', (text, words) =>
    expect(problem(text)).toContain(words),
  );

  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '017700000001',
    '0x7f000001',
    '0x7f.0.0.1',
    '0177.0.0.01',
    '%31%32%37.0.0.1',
    '0',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.0.1',
    '169.254.169.254',
    '0xa9fea9fe',
    '100.64.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[2001::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '[fec0::1]',
    '[ff02::1]',
    '[100::1]',
  ])('must not have the private address %s', (host) =>
    expect(problem(`https://${host}/latest/meta-data`)).toBe('must not be a private address'),
  );

  it('has at most 2,048 characters, also in its normal form', () => {
    const of = (length: number, filling = 'a'): string =>
      `https://example.com/?${filling.repeat(length - 'https://example.com/?'.length)}`;
    expect(stored(of(MOST_URL_LENGTH))).toHaveLength(MOST_URL_LENGTH);
    expect(problem(of(MOST_URL_LENGTH + 1))).toBe('must have at most 2048 characters');
    // The parser writes three characters for each of these.
    expect(problem(of(MOST_URL_LENGTH - 10, "'"))).toBe('must have at most 2048 characters');
  });
});
