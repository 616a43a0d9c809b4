import ipaddr from 'ipaddr.js';

/** Whoever has one IPv6 address has the 2^64 of its subnet, so that limits count subnets; IPv4 addresses as they are. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`;
}
