import { isNativeError } from 'node:util/types';
import type { Config } from '../../config/config';
import { failureReason } from '../logging/failure-reason';
import { isUnavailable } from '../unavailable';
import { IntegrityError } from './integrity-error';
import { MissingVersion } from './missing-version';
import { RemoteFailure } from './remote-call';
import { VaultToken } from './vault-token';

type Settings = Pick<Config, 'VAULT_ADDR' | 'VAULT_NAMESPACE' | 'VAULT_TOKEN' | 'VAULT_TOKEN_FILE'>;

const MOST_ANSWER_BYTES = 256 * 1024;
/** As Vault puts it, with 400 or (where Go's cipher says it) 500: builtin/logical/transit and sdk/helper/keysutil. */
const NOT_OURS = /message authentication failed|^invalid ciphertext/;
const REASONS: readonly [pattern: RegExp, code: string][] = [
  // A stand-by that has not heard of a rotation says so too.
  [/version is too new/, 'version_too_new'],
  [NOT_OURS, 'not_authentic'],
  [/disallowed by policy \(too old\)/, 'version_too_old'],
  [/key not found/, 'key_not_found'],
  [/Vault is sealed/i, 'sealed'],
];

export interface VaultRequest {
  method: 'GET' | 'POST';
  /** Below /v1/, each part encoded already. */
  path: string;
  body?: Record<string, string>;
}

export type VaultData = Record<string, unknown>;

/** HTTP to a Vault (https://developer.hashicorp.com/vault/api-docs). No redirect is followed: it would get the token. */
export class VaultClient {
  private readonly token: VaultToken;

  constructor(private readonly settings: Settings) {
    this.token = new VaultToken(settings);
  }

  /**
   * @returns the whole answer; empty where Vault has nothing to say (204).
   * @throws IntegrityError where Vault says that a ciphertext is not what it encrypted. RemoteFailure
   */
  async ask(request: VaultRequest, signal: AbortSignal): Promise<{ answer: VaultData; token: string }> {
    let token = await this.token.current();
    let reply = await this.send(request, token, signal);
    if (reply.status === 403) {
      const other = await this.token.afterRefusal(token);
      if (other) reply = await this.send(request, (token = other), signal);
    }
    if (reply.status === 204) return { answer: {}, token };
    const answer = parse(reply.text);
    if (reply.status !== 200) throw refusal(reply, answer);
    if (!answer) throw new RemoteFailure('Vault answered what cannot be understood', { passing: false });
    return { answer, token };
  }

  private async send(
    { method, path, body }: VaultRequest,
    token: string,
    signal: AbortSignal,
  ): Promise<Reply> {
    const { VAULT_ADDR, VAULT_NAMESPACE } = this.settings;
    try {
      const reply = await fetch(`${VAULT_ADDR}/v1/${path}`, {
        method,
        redirect: 'manual',
        signal,
        headers: {
          'X-Vault-Token': token,
          'X-Vault-Request': 'true',
          ...(VAULT_NAMESPACE && { 'X-Vault-Namespace': VAULT_NAMESPACE }),
          ...(body && { 'Content-Type': 'application/json' }),
        },
        body: body && JSON.stringify(body),
      });
      return { status: reply.status, retryAfter: secondsOf(reply), text: await boundedText(reply) };
    } catch (error) {
      if (error instanceof RemoteFailure) throw error;
      // fetch tells why in the cause.
      const cause = isNativeError(error) && error.cause ? error.cause : error;
      throw new RemoteFailure(`Vault: ${failureReason(cause)}`, { passing: isPassing(cause) });
    }
  }
}

interface Reply {
  status: number;
  text: string;
  retryAfter?: number;
}

function refusal({ status, retryAfter }: Reply, answer: VaultData | undefined): Error {
  const errors = Array.isArray(answer?.errors) ? answer.errors : [];
  const said = errors.filter((error) => typeof error === 'string').join('\n');
  const code = REASONS.find(([pattern]) => pattern.test(said))?.[1];
  if (code === 'not_authentic') return new IntegrityError('the wrapped secret');
  const Failure = code?.startsWith('version_') ? MissingVersion : RemoteFailure;
  return new Failure(`Vault answered ${status}${code ? ` ${code}` : ''}`, {
    // 412: a stand-by that has not heard of the newest state (eventual consistency).
    passing: status >= 500 || status === 429 || status === 412 || code === 'version_too_new',
    code: code ?? String(status),
    retryAfter,
  });
}

/** undici's own codes are of sockets that closed, or never opened. */
const isPassing = (error: unknown): boolean =>
  isUnavailable(error) ||
  (isNativeError(error) && 'code' in error && /^UND_ERR_(SOCKET|CONNECT|HEADERS)/.test(String(error.code)));

function secondsOf({ headers }: Response): number | undefined {
  const seconds = headers.get('Retry-After');
  return seconds && /^\d{1,4}$/.test(seconds) ? Number(seconds) : undefined;
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MOST_ANSWER_BYTES) throw new RemoteFailure('Vault answered too much', { passing: false });
    }
    const whole = Buffer.concat(chunks);
    chunks.push(whole);
    return whole.toString();
  } finally {
    // There may be a secret in them. The text is out of our hands.
    for (const chunk of chunks) chunk.fill(0);
  }
}

function parse(text: string): VaultData | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? (answer as VaultData) : undefined;
  } catch {
    return undefined;
  }
}
