import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FaultyServer, Reply, startFaultyServer } from './faulty-server';

export type VaultFault = 'sealed' | 'throttled' | 'internal' | 'behind' | 'lagging' | 'no_auth_500';

/** Vault's transit engine and token store as its API has them, as far as a key for AEAD needs them. */
export interface VaultServer extends FaultyServer<VaultFault> {
  mount: string;
  namespace: string;
  newKey(name: string): void;
  rotateNow(name: string): void;
  setMinDecryptionVersion(name: string, version: number): void;
  /** @param seconds of life, or for ever. */
  newToken(seconds?: number, renewable?: boolean): string;
  /** Milliseconds that a token still has; below zero: none. */
  lifeOf(token: string): number;
  revoke(token: string): void;
  /** As a Vault before 1.13, which passes over associated data. */
  ignoresAssociatedData: boolean;
  /** What must be found in no log, error and URL. */
  secrets: string[];
}

interface Token {
  expiresAt: number;
  seconds: number;
  renewable: boolean;
}

interface Key {
  versions: Buffer[];
  minDecryptionVersion: number;
}

const NAMESPACE = 'trading/users';
const MOUNT = 'crypto/transit';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const errors = (status: number, ...texts: string[]): Reply => ({ status, body: { errors: texts } });

const FAULTS: Record<VaultFault, Reply> = {
  sealed: errors(503, 'Vault is sealed'),
  throttled: {
    ...errors(429, 'request path "transit": rate limit quota exceeded'),
    headers: { 'retry-after': '3' },
  },
  internal: errors(500, 'internal error'),
  behind: errors(412, 'required index state not present'),
  // A stand-by that answers reads itself, and has not heard of a rotation.
  lagging: errors(400, 'invalid ciphertext: version is too new'),
  no_auth_500: errors(500, '1 error occurred:\n\t* cipher: message authentication failed\n\n'),
};

class Refusal extends Error {
  constructor(readonly reply: Reply) {
    super('refused');
  }
}

export async function startVault(): Promise<VaultServer> {
  const keys = new Map<string, Key>();
  const tokens = new Map<string, Token>();

  const tokenOf = (request: IncomingMessage): string => {
    const text = String(request.headers['x-vault-token'] ?? '');
    const token = tokens.get(text);
    if (request.headers['x-vault-namespace'] !== NAMESPACE || !token || token.expiresAt <= Date.now())
      throw new Refusal(errors(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'));
    return text;
  };
  const find = (name: string): Key => {
    const key = keys.get(name);
    if (!key) throw new Refusal(errors(400, 'encryption key not found'));
    return key;
  };
  const aadOf = (body: Record<string, unknown>): Buffer =>
    server.ignoresAssociatedData ? Buffer.alloc(0) : base64(body.associated_data ?? '', 'associated_data');

  const routes: Record<string, (name: string, body: Record<string, unknown>) => Reply> = {
    'POST encrypt': (name, body) => {
      const { versions } = find(name);
      if (body.plaintext === undefined) throw new Refusal(errors(400, 'missing plaintext to encrypt'));
      const plain = base64(body.plaintext, 'plaintext');
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', versions.at(-1)!, nonce).setAAD(aadOf(body));
      const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      const ciphertext = `vault:v${versions.length}:${sealed.toString('base64')}`;
      return { status: 200, body: { data: { ciphertext, key_version: versions.length } } };
    },
    'POST decrypt': (name, body) => {
      const ciphertext = typeof body.ciphertext === 'string' ? body.ciphertext : '';
      const plain = decrypt(find(name), ciphertext, aadOf(body));
      return { status: 200, body: { data: { plaintext: plain.toString('base64') } } };
    },
    'GET keys': (name) => {
      const key = keys.get(name);
      if (!key) return { status: 404, body: { errors: [] } };
      return { status: 200, body: { data: described(name, key) } };
    },
    'POST rotate': (name) => {
      const key = find(name);
      key.versions.push(randomBytes(32));
      return { status: 200, body: { data: described(name, key) } };
    },
  };

  const answer = (request: IncomingMessage, body: Buffer): Reply => {
    try {
      const text = tokenOf(request);
      const input = parse(request, body);
      if (request.url === '/v1/auth/token/renew-self') return renew(request, text);
      const [, operation, name, rest] =
        new RegExp(`^/v1/${MOUNT}/(encrypt|decrypt|keys)/([\\w.-]+)(/rotate)?$`).exec(request.url!) ?? [];
      const route = routes[`${request.method} ${rest ? 'rotate' : operation}`];
      if (!route || (rest && operation !== 'keys')) return errors(404, 'no handler for route');
      return route(name!, input);
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      throw error;
    }
  };
  const renew = ({ method }: IncomingMessage, text: string): Reply => {
    if (method !== 'POST') return errors(405, 'unsupported operation');
    const token = tokens.get(text)!;
    if (!token.renewable) return errors(400, 'lease is not renewable');
    token.expiresAt = Date.now() + token.seconds * 1000;
    const auth = { client_token: text, lease_duration: token.seconds, renewable: true };
    return { status: 200, body: { auth } };
  };

  const http = await startFaultyServer<VaultFault>(
    ({ method, url }) => `${method} ${url}`,
    answer,
    (fault) => FAULTS[fault],
  );
  const server: VaultServer = Object.assign(http, {
    mount: MOUNT,
    namespace: NAMESPACE,
    ignoresAssociatedData: false,
    secrets: [] as string[],
    newKey: (name: string) => {
      if (!keys.has(name)) keys.set(name, { versions: [randomBytes(32)], minDecryptionVersion: 1 });
    },
    rotateNow: (name: string) => void keys.get(name)!.versions.push(randomBytes(32)),
    setMinDecryptionVersion: (name: string, version: number) => {
      keys.get(name)!.minDecryptionVersion = version;
    },
    newToken: (seconds = Infinity, renewable = seconds !== Infinity) => {
      const text = `hvs.${randomBytes(24).toString('base64url')}`;
      tokens.set(text, { expiresAt: Date.now() + seconds * 1000, seconds, renewable });
      server.secrets.push(text);
      return text;
    },
    lifeOf: (token: string) => tokens.get(token)!.expiresAt - Date.now(),
    revoke: (token: string) => void tokens.delete(token),
  });
  return server;
}

const described = (name: string, { versions, minDecryptionVersion }: Key): object => ({
  name,
  type: 'aes256-gcm96',
  latest_version: versions.length,
  min_decryption_version: minDecryptionVersion,
  derived: false,
  keys: Object.fromEntries(versions.map((_, index) => [index + 1, 1_700_000_000 + index])),
});

/** sdk/helper/keysutil/policy.go, DecryptWithFactory. */
function decrypt({ versions, minDecryptionVersion }: Key, ciphertext: string, aad: Buffer): Buffer {
  const refuse = (text: string): never => {
    throw new Refusal(errors(400, text));
  };
  if (ciphertext === '') refuse('missing ciphertext to decrypt');
  if (!ciphertext.startsWith('vault:v')) refuse('invalid ciphertext: no prefix');
  const [, number, text] =
    /^vault:v([^:]*):(.*)$/s.exec(ciphertext) ?? refuse('invalid ciphertext: wrong number of fields');
  if (!/^[+-]?\d+$/.test(number!)) refuse('invalid ciphertext: version number could not be decoded');
  const version = Number(number) === 0 ? 1 : Number(number);
  if (version > versions.length) refuse('invalid ciphertext: version is too new');
  if (version < minDecryptionVersion)
    refuse('ciphertext or signature version is disallowed by policy (too old)');
  if (!BASE64.test(text!)) refuse('invalid ciphertext: could not decode base64');
  const sealed = Buffer.from(text!, 'base64');
  if (sealed.length < NONCE_BYTES) refuse('invalid ciphertext length');
  if (sealed.length < NONCE_BYTES + TAG_BYTES) refuse('cipher: message authentication failed');
  const decipher = createDecipheriv('aes-256-gcm', versions[version - 1]!, sealed.subarray(0, NONCE_BYTES))
    .setAAD(aad)
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return refuse('cipher: message authentication failed');
  }
}

function base64(value: unknown, name: string): Buffer {
  if (typeof value !== 'string' || !BASE64.test(value))
    throw new Refusal(errors(400, `failed to base64-decode ${name}`));
  return Buffer.from(value, 'base64');
}

function parse({ method, headers }: IncomingMessage, body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  try {
    if (method === 'POST' && headers['content-type'] === 'application/json') {
      const input: unknown = JSON.parse(body.toString());
      if (typeof input === 'object' && input !== null) return input as Record<string, unknown>;
    }
  } catch {
    // Told below.
  }
  throw new Refusal(errors(400, 'error parsing JSON'));
}
