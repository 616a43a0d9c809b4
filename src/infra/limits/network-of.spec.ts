import { networkOf } from './network-of';

describe('networkOf', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:FFFF:CB00:7107', '203.0.113.7'],
  ])('counts the IPv4 address %s as %s', (address, network) => expect(networkOf(address)).toBe(network));

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
  ])('counts the IPv6 address %s as %s', (address, network) => expect(networkOf(address)).toBe(network));

  it.each(['', 'unknown', '300.1.1.1', '203.0.113.7:443', '2001:db8::g', '[::1]', '::1/64'])(
    'leaves %j, which is no address, as it is',
    (text) => expect(networkOf(text)).toBe(text),
  );
});
