import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import { inRanges, parseCidr } from '../../config/cidr';

/** All of today's global unicast (RFC 4291 section 2.4): what is outside has no public host, whatever it is called. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** RFC 6052: an IPv4 address as hosts without IPv4 see it. The prefix of RFC 8215 is for networks of one's own. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/** Azure's own services for each machine (WireServer), at an address that looks like any other. */
const AZURE_WIRE_SERVER = '168.63.129.16';

/**
 * Whether a webhook may connect to an address: a public one, or one inside these networks (CIDR). An IPv4 address inside
 * of an IPv6 one (mapped, NAT64) counts as what it is; 6to4 and Teredo, tunnels that no receiver needs, are refused
 * whole. What is not an address in its plain form is refused.
 */
export function isPublicAddress(ip: string, allowedNetworks: readonly string[] = []): boolean {
  const address = parsed(ip);
  if (!address) return false;
  if (isWithin(address, allowedNetworks)) return true;
  if (address.range() !== 'unicast' || address.toString() === AZURE_WIRE_SERVER) return false;
  return address.kind() === 'ipv4' || (address as ipaddr.IPv6).match(GLOBAL_UNICAST);
}

/** Whether an address is inside one of these networks (CIDR), its IPv4 address unwrapped. */
export function isInNetworks(ip: string, networks: readonly string[]): boolean {
  const address = parsed(ip);
  return address !== null && isWithin(address, networks);
}

function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, networks: readonly string[]): boolean {
  const ranges = networks.map(parseCidr).filter((range) => range !== null);
  return inRanges(address.toString(), ranges);
}

/** Null for other notations of an address (octal, one number), and for one with a zone: a zone is of this machine's own. */
function parsed(ip: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  if (isIP(ip) === 0 || ip.includes('%')) return null;
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).match(NAT64))
    return new ipaddr.IPv4(address.toByteArray().slice(12));
  return address;
}
