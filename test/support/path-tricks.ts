/** A request as it goes over the wire. */
export interface Trick {
  method: string;
  target: string;
  headers?: Record<string, string>;
}

const encoded = (letter: string): string => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`;
const wide = (letter: string): string =>
  encodeURIComponent(String.fromCharCode(letter.charCodeAt(0) + 0xfee0));
/** Of the last segment, which on many routes is what a rule of a proxy would look for. */
const inLast = (path: string, change: (segment: string) => string): string =>
  path.replace(/[^/]+$/, (segment) => change(segment));
const headersOf = (names: string[], value: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, value]));

const REWRITES = [
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Forwarded-Uri',
  'X-Forwarded-Prefix',
  'X-Original-Uri',
];
const OVERRIDES = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'];
const IDENTITIES = ['X-User-Id', 'X-Forwarded-User', 'Remote-User', 'X-Authenticated-User', 'X-Remote-User'];
const LOCAL = [
  'X-Forwarded-For',
  'X-Real-IP',
  'X-Client-IP',
  'True-Client-IP',
  'Forwarded',
  'X-Forwarded-Host',
];

/** Ways to write one operation so that a guard, of ours or of a proxy, may not recognise it. */
export const pathTricks: Record<string, (method: string, path: string) => Trick[]> = {
  'percent-encoded letters': (method, path) =>
    [
      path.replace(/[a-z]/, encoded),
      path.replace(/(?<=\/v1\/)[a-z]/, encoded),
      inLast(path, (last) => last.replace(/[a-z0-9]/, encoded)),
      path.replace(/[a-z]/g, encoded),
      path.replace(/[a-z]/g, (letter) => encoded(letter).toUpperCase()),
      path.replace(/[a-z]/g, (letter) => encoded(letter).replace('%', '%25')),
      path.replace(/[a-z]/, (letter) => `%c1%${(letter.charCodeAt(0) | 0x80).toString(16)}`),
      path.replace(/[a-z]/g, wide),
      path.replace(/[a-z]/, (letter) => `%u00${letter.charCodeAt(0).toString(16)}`),
    ].map((target) => ({ method, target })),

  'slashes too many': (method, path) =>
    [
      `/${path}`,
      `///${path}`,
      path.replace('/v1/', '/v1//'),
      path.replace(/\/(?=[^/]+$)/, '//'),
      path.replaceAll('/', '//'),
      `${path}/`,
      `${path}//`,
    ].map((target) => ({ method, target })),

  'letter case': (method, path) =>
    [
      path.toUpperCase(),
      path.replace('/v1/', '/V1/'),
      path.replace(/(?<=\/v1\/)[a-z]/, (letter) => letter.toUpperCase()),
      inLast(path, (last) => last.toUpperCase()),
    ].map((target) => ({ method, target })),

  'dot segments': (method, path) =>
    [
      `/.${path}`,
      `/x/..${path}`,
      `/health/live/../..${path}`,
      `/health/live/%2e%2e/%2E%2E${path}`,
      `/health/live/..%2f..${path}`,
      `/health/live/..;/..;${path}`,
      `/health/live/..\\..${path}`,
      `/v1/auth/login/../../..${path}`,
      `${path}/.`,
      `${path}/x/..`,
      `${path}/..${path}`,
      `${path}.`,
      path.replace('/v1/', '/v1/./'),
    ].map((target) => ({ method, target })),

  'encoded and other slashes': (method, path) =>
    [
      `/${path.slice(1).replaceAll('/', '%2f')}`,
      `/${path.slice(1).replaceAll('/', '%2F')}`,
      path.replaceAll('/', '%2f'),
      path.replace(/\/(?=[^/]+$)/, '%2f'),
      path.replaceAll('/', '\\'),
      `/${path.slice(1).replaceAll('/', '%5c')}`,
      `/${path.slice(1).replaceAll('/', '%252f')}`,
      path.slice(1),
    ].map((target) => ({ method, target })),

  'parameters and endings': (method, path) =>
    [
      `${path};`,
      `${path};jsessionid=1`,
      `${path};.css`,
      path.replace('/v1/', '/v1;a=b/'),
      `${path}.json`,
      `${path}.css`,
      `${path}?`,
      `${path}?x=/health/live`,
      `${path}%3f`,
      `${path}%23`,
      `${path}#`,
      `${path}%20`,
      `${path}%09`,
      `${path}~`,
      `${path}?_method=GET`,
    ].map((target) => ({ method, target })),

  'null bytes and line ends': (method, path) =>
    [
      `${path}%00`,
      `${path}%00.css`,
      `${path}\0`,
      `/%00${path}`,
      `${path}%0d%0aX-Role:%20admin`,
      `${path}%0a`,
    ].map((target) => ({ method, target })),

  'absolute and other forms of the target': (method, path) =>
    [
      `http://id.test${path}`,
      `HTTP://ID.TEST${path}`,
      `https://localhost:8001${path}`,
      `http://admin:admin@id.test${path}`,
      `http://id.test/health/live/../..${path}`,
      `//id.test${path}`,
      `/http://id.test${path}`,
    ].map((target) => ({ method, target })),

  'other methods': (method, path) => [
    ...['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'get', 'XYZ'].map((other) => ({
      method: other,
      target: path,
    })),
    ...['GET', 'POST', 'HEAD'].map((other) => ({
      method: other,
      target: path,
      headers: headersOf(OVERRIDES, method),
    })),
  ],

  'headers that claim something': (method, path) => [
    { method, target: path, headers: headersOf(REWRITES, '/health/live') },
    { method, target: path, headers: headersOf(IDENTITIES, 'admin') },
    { method, target: path, headers: headersOf(LOCAL, '127.0.0.1') },
    { method: 'GET', target: '/nothing', headers: headersOf(REWRITES, path) },
    { method, target: '/nothing', headers: headersOf(REWRITES, path) },
  ],
};
