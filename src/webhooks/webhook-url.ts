import { isIP } from 'node:net';
import { parsedUrl } from '../common/parsed-url';
import { isInNetworks, isPublicAddress } from './sending/public-address';

export const MOST_URL_LENGTH = 2048;
const MOST_HOST_LENGTH = 253;

/** RFC 3986 section 2: what a browser would read into other characters (blanks, `\`, letters of other scripts) is none. */
const URI =
  /^https?:\/\/(?:\[[0-9a-f:.]+\]|(?:[\w\-.~@!$&'()*+,;=:]|%[0-9a-f]{2})+)(?::\d*)?(?:[/?#](?:[\w\-.~:/?#@!$&'()*+,;=]|%[0-9a-f]{2})*)?$/i;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** Names that mean another host in every network, or none. */
const PRIVATE_ENDINGS = ['localhost', 'local', 'localdomain', 'internal', 'home.arpa', 'onion'];

/** What may be a receiver, in its normal form; or what is wrong with it, to go after the name of the field. */
export type WebhookUrl = { url: string } | { problem: string };

/**
 * Where events may be sent: https, or http to an address within the networks that the operator allows; no user, no
 * fragment, no private host. It is asked when a URL is stored, to tell people at once. What a name means is found out
 * when it is connected to, each time: names change.
 * @param privateNetworks CIDRs, see WEBHOOK_PRIVATE_NETWORKS
 */
export function webhookUrl(text: string, privateNetworks: readonly string[]): WebhookUrl {
  if (text.length > MOST_URL_LENGTH) return { problem: `must have at most ${MOST_URL_LENGTH} characters` };
  const url = URI.test(text) ? parsedUrl(text) : undefined;
  if (!url)
    return {
      problem: 'must be an absolute https URL in ASCII (RFC 3986), such as https://example.com/events',
    };
  if (text.includes('#')) return { problem: 'must have no fragment' };
  // Before the parser takes an empty one for none.
  if (authorityOf(text).includes('@')) return { problem: 'must have no user or password' };
  const problem = hostProblem(url, privateNetworks) ?? (url.port === '0' ? 'must have a port above 0' : null);
  if (problem !== null) return { problem };
  if (url.href.length > MOST_URL_LENGTH)
    return { problem: `must have at most ${MOST_URL_LENGTH} characters` };
  return { url: url.href };
}

const authorityOf = (text: string): string => /^[^:]+:\/\/([^/?#]*)/.exec(text)?.[1] ?? '';

/** The parser has made plain addresses of octal, hexadecimal and short ones by now, and letters of percent signs. */
function hostProblem({ protocol, hostname }: URL, privateNetworks: readonly string[]): string | null {
  const address = hostname.replace(/^\[|\]$/g, '');
  const isAddress = isIP(address) !== 0;
  const isAllowed = isAddress && isInNetworks(address, privateNetworks);
  if (protocol !== 'https:' && !isAllowed) return 'must be https';
  if (isAddress) return isPublicAddress(address, privateNetworks) ? null : 'must not be a private address';
  return nameProblem(hostname);
}

function nameProblem(name: string): string | null {
  if (name.endsWith('.')) return 'must have a host without a dot at its end';
  const labels = name.split('.');
  if (name.length > MOST_HOST_LENGTH || !labels.every((label) => LABEL.test(label)))
    return 'must have the name of a host, or an address';
  if (PRIVATE_ENDINGS.some((ending) => name === ending || name.endsWith(`.${ending}`)))
    return 'must not be a private name';
  return labels.length === 1 ? 'must have a full name for its host, with its domain' : null;
}
