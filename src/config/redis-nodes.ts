/** A password may hold a comma too. */
const BETWEEN = /\s*,\s*(?=[a-z]+:\/\/)/i;

/**
 * What REDIS_URL names: one server, or nodes of one cluster, separated by commas.
 * @throws TypeError where one of them is no URL.
 */
export const redisNodes = (text: string): URL[] => text.split(BETWEEN).map((url) => new URL(url));

const credentials = ({ username, password }: URL): string => `${username}:${password}`;

/** Why REDIS_URL cannot be used. */
export function* invalidRedisUrl(text: string): Generator<string> {
  const nodes = redisNodes(text);
  const [first] = nodes as [URL];
  if (nodes.some(({ protocol }) => !/^rediss?:$/.test(protocol))) {
    yield 'REDIS_URL: must start with redis:// or rediss://';
  }
  if (nodes.length === 1) return;
  if (nodes.some(({ protocol }) => protocol !== first.protocol)) {
    yield 'REDIS_URL: the nodes of a cluster must be all redis:// or all rediss://';
  }
  if (nodes.some((node) => credentials(node) !== credentials(first))) {
    yield 'REDIS_URL: the nodes of a cluster must have the same user and password';
  }
  if (nodes.some(({ hostname }) => hostname === '')) yield 'REDIS_URL: a node of the cluster has no host';
  if (nodes.some(({ pathname }) => !/^(\/0?)?$/.test(pathname))) {
    yield 'REDIS_URL: a cluster has no database but 0';
  }
  if (nodes.some(({ search, hash }) => search || hash)) {
    yield 'REDIS_URL: the nodes of a cluster take no options';
  }
}
