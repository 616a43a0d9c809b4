import { isIP, type Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { Cidr, inRanges, parseCidr } from '../../config/cidr';

/** What an address may have that is no part of it: IPv4 written as IPv6, or a name of the machine's interface. */
const MAPPED = /^::ffff:(?=\d+\.)/i;
const ZONE = /%.*$/;

/**
 * Which hops of X-Forwarded-For to believe, for Fastify's `trustProxy`: the client is the rightmost hop that is not
 * a trusted proxy. Without trusted proxies the header means nothing.
 */
export function trustedProxies(cidrs: readonly string[]): false | ((address: string) => boolean) {
  const ranges = cidrs.map(parseCidr).filter((range): range is Cidr => range !== null);
  return ranges.length > 0 && ((address) => inRanges(address, ranges));
}

/** The client's address; where a trusted proxy passed on something that is none, the proxy's own. */
export function clientAddress(request: FastifyRequest): string {
  const { ip } = request;
  if (isIP(ip) && !MAPPED.test(ip) && !ip.includes('%')) return ip;
  return [ip, request.socket.remoteAddress ?? ''].map(plain).find((address) => isIP(address)) ?? '0.0.0.0';
}

/** Of whoever is at the other end of the connection, a proxy too: all that is known of a request that was not read. */
export function peerAddress(socket: Socket): string {
  return plain(socket.remoteAddress ?? '');
}

/** Some proxies add the port: 203.0.113.7:4431, [2001:db8::1]:4431. */
const plain = (text: string): string =>
  text
    .replace(/^\[(.+)\](:\d+)?$/, '$1')
    .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
    .replace(MAPPED, '')
    .replace(ZONE, '');
