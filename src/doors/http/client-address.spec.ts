import Fastify from 'fastify';
import { clientAddress, trustedProxies } from './client-address';

const PROXY = '10.1.2.3';

/** The client of a request that came from `peer`, as a door behind these proxies sees it. */
async function seenBy(proxies: string[], peer: string, forwarded?: string): Promise<string> {
  const fastify = Fastify({ trustProxy: trustedProxies(proxies) });
  fastify.get('/', (request) => ({ address: clientAddress(request) }));
  const reply = await fastify.inject({
    url: '/',
    remoteAddress: peer,
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  });
  await fastify.close();
  return reply.json<{ address: string }>().address;
}

describe('The address of a client', () => {
  it.each([
    ['198.51.100.7:4431', '198.51.100.7'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:4431', '2001:db8::1'],
    ['2001:DB8::1', '2001:DB8::1'],
    ['::FFFF:198.51.100.7', '198.51.100.7'],
    ['[::ffff:198.51.100.7]:4431', '198.51.100.7'],
    ['fe80::1%eth0', 'fe80::1'],
    [`fe80::1%${'eyJ.'.repeat(50)}`, 'fe80::1'],
  ])('is read however proxies write it: %s', async (forwarded, address) => {
    expect(await seenBy(['10.0.0.0/8'], PROXY, forwarded)).toBe(address);
  });

  it.each(['', 'unknown', '_hidden', '198.51.100', '198.51.100.300', '[2001:db8::1', '198.51.100.7:http'])(
    'is the proxy where that passes on %j',
    async (forwarded) => {
      expect(await seenBy(['10.0.0.0/8'], PROXY, forwarded)).toBe(PROXY);
    },
  );

  it.each([
    ['::ffff:10.1.2.3', 'rubbish', '10.1.2.3'],
    ['::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['fe80::7%eth0', undefined, 'fe80::7'],
  ])('is written in one way where it is the peer %s itself', async (peer, forwarded, address) => {
    expect(await seenBy(['10.0.0.0/8'], peer, forwarded)).toBe(address);
  });

  it.each([
    ['192.0.2.1', ['10.0.0.0/8']],
    ['192.0.2.1', []],
    ['2001:db8:ffff::1', ['fd00::/8', '10.0.0.0/8']],
    ['10.1.2.3', ['not a range']],
  ])('is the peer %s itself where it is not among the proxies %j', async (peer, proxies) => {
    expect(await seenBy(proxies, peer, '198.51.100.7')).toBe(peer);
  });

  it.each([
    ['fd00::5', ['fd00::/8']],
    ['::ffff:10.1.2.3', ['10.0.0.0/8']],
    ['10.1.2.3', ['fd00::/8', '10.1.2.3/32']],
  ])('is believed of the peer %s, which is among the proxies %j', async (peer, proxies) => {
    expect(await seenBy(proxies, peer, '198.51.100.7')).toBe('198.51.100.7');
  });

  it('is the farthest hop where all of them are proxies', async () => {
    expect(await seenBy(['10.0.0.0/8'], PROXY, '10.9.9.9, 10.8.8.8')).toBe('10.9.9.9');
  });
});
