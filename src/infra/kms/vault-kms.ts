import { OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { Clock } from '../../common/clock';
import type { Config } from '../../config/config';
import { IntegrityError } from './integrity-error';
import { Kms, requireWrappable } from './kms';
import { MasterKeyVersion, PATIENCE, RotationPatience } from './master-key-version';
import { callRemote, RemoteFailure, unavailableBecause } from './remote-call';
import { VaultClient, VaultData, VaultRequest } from './vault-client';
import { TokenLease, VaultTokenRenewal } from './vault-token-renewal';
import { packWrapped, unpackWrapped } from './wrapped-secret';

type Settings = Pick<
  Config,
  | 'KMS_MASTER_KEY_ID'
  | 'KMS_TIMEOUT_MS'
  | 'VAULT_ADDR'
  | 'VAULT_NAMESPACE'
  | 'VAULT_TOKEN'
  | 'VAULT_TOKEN_FILE'
  | 'VAULT_TRANSIT_MOUNT'
>;

/** Vault takes version 0 for version 1: it is refused here, or two names would mean one version. */
const VERSION = /^[1-9]\d{0,8}$/;
const CIPHERTEXT = /^vault:v(\d+):([A-Za-z0-9+/]+={0,2})$/;

/**
 * A key of type aes256-gcm96 in the transit engine of HashiCorp Vault (1.13 and newer) or OpenBao. Needs `update` on
 * encrypt/<key> and decrypt/<key> and `read` on keys/<key>; whoever rotates `update` on keys/<key>/rotate. Not `create`:
 * with it Vault makes a key of a mistyped name.
 */
export class VaultKms implements Kms, OnApplicationShutdown {
  readonly provider = 'vault';
  private readonly vault: VaultClient;
  private readonly version: MasterKeyVersion;
  private readonly renewal: VaultTokenRenewal;
  private bindsContexts?: Promise<void>;

  /** Asks Vault nothing. */
  constructor(
    private readonly settings: Settings,
    clock: Clock,
    patience: RotationPatience = PATIENCE,
  ) {
    this.vault = new VaultClient(settings);
    this.version = new MasterKeyVersion(() => this.readVersion(), clock, patience);
    this.renewal = new VaultTokenRenewal(() => this.renewToken());
  }

  onApplicationShutdown(): void {
    this.renewal.stop();
  }

  async wrap(secret: Uint8Array, context: string): Promise<Buffer> {
    requireWrappable(secret);
    await (this.bindsContexts ??= this.requireAssociatedData().catch((error: unknown) => {
      this.bindsContexts = undefined;
      throw error;
    }));
    return this.encrypt(secret, context);
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Buffer> {
    const { version, body } = unpackWrapped(wrapped);
    if (!VERSION.test(version)) throw new IntegrityError('the wrapped secret');
    const { plaintext } = await this.ask({
      method: 'POST',
      path: this.keyPath('decrypt'),
      body: {
        ciphertext: `vault:v${version}:${body.toString('base64')}`,
        associated_data: Buffer.from(context).toString('base64'),
      },
    });
    const secret = Buffer.from(typeof plaintext === 'string' ? plaintext : '', 'base64');
    // An answer without one must not pass for an empty secret.
    if (secret.toString('base64') !== plaintext) throw notUnderstood();
    return secret;
  }

  async currentVersion(): Promise<string> {
    return this.version.current();
  }

  async rotate(): Promise<string> {
    const request: VaultRequest = { method: 'POST', path: `${this.keyPath('keys')}/rotate` };
    return this.version.advance(() => this.ask(request, false));
  }

  private async encrypt(secret: Uint8Array, context: string): Promise<Buffer> {
    const { ciphertext } = await this.ask({
      method: 'POST',
      path: this.keyPath('encrypt'),
      body: {
        plaintext: Buffer.from(secret.buffer, secret.byteOffset, secret.length).toString('base64'),
        associated_data: Buffer.from(context).toString('base64'),
      },
    });
    const [, version = '', base64 = ''] = CIPHERTEXT.exec(String(ciphertext)) ?? [];
    const body = Buffer.from(base64, 'base64');
    if (!VERSION.test(version) || body.toString('base64') !== base64) throw notUnderstood();
    this.version.seen(version);
    return packWrapped({ version, body });
  }

  /** A Vault before 1.13 passes over associated data in silence: a wrapped secret could be moved. Tried once a process. */
  private async requireAssociatedData(): Promise<void> {
    const probe = await this.encrypt(Buffer.alloc(1), 'probe');
    const opened = await this.unwrap(probe, 'another probe').catch((error: unknown) => {
      if (error instanceof IntegrityError) return null;
      throw error;
    });
    if (opened) throw failure('this Vault does not bind associated data: 1.13 is needed');
  }

  private async readVersion(): Promise<string> {
    const { latest_version: latest } = await this.ask({ method: 'GET', path: this.keyPath('keys') });
    if (!VERSION.test(String(latest))) throw notUnderstood();
    return String(latest);
  }

  private async renewToken(): Promise<TokenLease | null> {
    const request: VaultRequest = { method: 'POST', path: 'auth/token/renew-self', body: {} };
    const reply = await this.call((signal) =>
      this.vault.ask(request, signal).catch((error: unknown) => {
        // Not renewable (400), or not allowed to (403): its end is somebody else's care.
        if (error instanceof RemoteFailure && /^40[03]$/.test(error.details.code ?? '')) return null;
        throw error;
      }),
    );
    const { lease_duration: seconds, renewable } = objectOf(reply?.answer.auth);
    return typeof seconds === 'number' ? { seconds, renewable: renewable === true } : null;
  }

  /** @returns `data` of the answer. */
  private async ask(request: VaultRequest, repeatable = true): Promise<VaultData> {
    const { answer, token } = await this.call((signal) => this.vault.ask(request, signal), repeatable);
    this.renewal.used(token);
    return objectOf(answer.data);
  }

  private call<T>(question: (signal: AbortSignal) => Promise<T>, repeatable = true): Promise<T> {
    return callRemote({ name: 'Vault', milliseconds: this.settings.KMS_TIMEOUT_MS, repeatable }, question);
  }

  private keyPath(operation: string): string {
    const mount = this.settings.VAULT_TRANSIT_MOUNT.split('/').map(encodeURIComponent).join('/');
    return `${mount}/${operation}/${encodeURIComponent(this.settings.KMS_MASTER_KEY_ID)}`;
  }
}

const objectOf = (value: unknown): VaultData =>
  typeof value === 'object' && value !== null ? (value as VaultData) : {};

const failure = (message: string): AppError =>
  unavailableBecause(new RemoteFailure(message, { passing: false }));

const notUnderstood = (): AppError => failure('Vault answered what cannot be understood');
