import type { Config } from './config';

const addresses = ({ KITE_API_BASE_URL, KITE_LOGIN_URL }: Config): [name: string, url: URL][] =>
  Object.entries({ KITE_API_BASE_URL, KITE_LOGIN_URL })
    .filter(([, url]) => url !== '')
    .map(([name, url]) => [name, new URL(url)]);

/** Why Kite can't be reached like this. */
export function* invalidKite(config: Config): Generator<string> {
  for (const [name, { protocol, username, password, search, hash }] of addresses(config)) {
    if (!/^https?:$/.test(protocol) || username || password || search || hash)
      yield `${name}: must be http(s)://host[:port][/path] and nothing more`;
  }
}

/** Access tokens of real accounts travel there. */
export function* weakKite(config: Config): Generator<string> {
  for (const [name, { protocol }] of addresses(config))
    if (protocol !== 'https:') yield `${name}: must start with https://`;
}
