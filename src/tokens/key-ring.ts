import { Inject, Injectable, Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { CryptoKey, importPKCS8, JWK } from 'jose';
import { createSecretKey, KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { operatorMessage } from '../common/operator-message';
import { CONFIG, Config } from '../config/config';
import { IntegrityError } from '../infra/kms/integrity-error';
import { KMS, Kms } from '../infra/kms/kms';
import { keyStatus, KeyStatus, KeyTimes } from './key-life';
import { KeyUse, SigningKey, signingKeyContext } from './signing-key.entity';
import { SigningKeys } from './signing-keys.service';

const REFRESH_MS = 30_000;
const OVER: readonly KeyStatus[] = ['retired', 'revoked'];
/** A token may carry a key made just now on another instance; asking is bounded, or strangers could make us ask. */
const UNKNOWN_KEY_PAUSE_MS = 1_000;

export interface RingKey {
  kid: string;
  use: KeyUse;
  activatesAt: Date;
  revokedAt: Date | null;
  publicJwk: JWK | null;
  /** Signs (RSA), or signs and verifies (HMAC). */
  secret: CryptoKey | KeyObject;
}

/**
 * Every key in force, in memory: signing, checking and the JWKS need neither PostgreSQL nor the KMS, and go on while
 * they are down.
 */
@Injectable()
export class KeyRing implements OnModuleInit, OnApplicationShutdown {
  private keys: RingKey[] = [];
  private timer?: NodeJS.Timeout;
  private loadedAt = -Infinity;
  private nextLoad?: Promise<void>;
  private readonly logger = new Logger(KeyRing.name);

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(KMS) private readonly kms: Kms,
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly signingKeys: SigningKeys,
  ) {}

  /** Makes the first keys where there are none, and reads them. */
  async onModuleInit(): Promise<void> {
    await this.signingKeys.ensure();
    await this.load();
    this.timer = setInterval(() => void this.tick(), REFRESH_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** The key that signs now: the newest that is active. */
  signer(use: KeyUse): RingKey {
    const key = this.keys.find((candidate) => candidate.use === use && this.status(candidate) === 'active');
    if (!key) throw new Error(`no active key for ${use} tokens`);
    return key;
  }

  /** The key of this id, as long as a token signed with it can still be good. */
  verifier(use: KeyUse, kid: string): RingKey | undefined {
    return this.find(use, (key) => key.kid === kid);
  }

  /** The first key that matches; where none does the table is read once more, for all who wait and once a second. */
  async findVerifier(use: KeyUse, matches: (key: RingKey) => boolean): Promise<RingKey | undefined> {
    const known = this.find(use, matches);
    if (known) return known;
    await (this.nextLoad ??= this.loadSoon().finally(() => (this.nextLoad = undefined)));
    return this.find(use, matches);
  }

  /** Public keys that verify access tokens, now or soon. */
  published(): JWK[] {
    return this.keys
      .filter((key) => key.use === 'access' && !OVER.includes(this.status(key)))
      .map((key) => key.publicJwk!);
  }

  async load(): Promise<void> {
    this.loadedAt = performance.now();
    const rows = await this.db.find(SigningKey, { order: { activatesAt: 'DESC', kid: 'DESC' } });
    const known = new Map(this.keys.map((key) => [key.kid, key]));
    const inForce = rows.filter((row) => !OVER.includes(this.status(row, rows)));
    this.keys = await Promise.all(
      inForce.map(async (row) => ({
        ...row,
        secret: known.get(row.kid)?.secret ?? (await this.unwrap(row)),
      })),
    );
  }

  private async loadSoon(): Promise<void> {
    await sleep(Math.max(0, this.loadedAt + UNKNOWN_KEY_PAUSE_MS - performance.now()));
    await this.load();
  }

  private find(use: KeyUse, matches: (key: RingKey) => boolean): RingKey | undefined {
    return this.keys.find((key) => key.use === use && matches(key) && !OVER.includes(this.status(key)));
  }

  private status(key: KeyTimes, all: readonly KeyTimes[] = this.keys): KeyStatus {
    return keyStatus(key, all, this.clock.now(), this.signingKeys.tokenLife(key.use));
  }

  private async unwrap(row: SigningKey): Promise<CryptoKey | KeyObject> {
    const secret = await this.kms
      .unwrap(row.wrappedSecret, signingKeyContext(row.kid))
      .catch((cause: unknown) => {
        throw this.unreadable(row, cause);
      });
    try {
      return row.alg === 'HS256'
        ? createSecretKey(secret)
        : await importPKCS8(secret.toString('utf8'), 'RS256');
    } finally {
      secret.fill(0);
    }
  }

  private unreadable({ kid }: SigningKey, cause: unknown): Error {
    const { provider } = this.kms;
    const masterKey = provider === 'local' ? this.config.LOCAL_KMS_KEY_PATH : this.config.KMS_MASTER_KEY_ID;
    const problem =
      cause instanceof IntegrityError
        ? 'is not what was wrapped, or the master key was replaced'
        : `could not be asked for: ${operatorMessage(cause)}`;
    return new Error(`signing key ${kid}, under the master key ${masterKey} (${provider}), ${problem}`, {
      cause,
    });
  }

  private async tick(): Promise<void> {
    try {
      await this.signingKeys.rotateWhenDue();
      await this.load();
    } catch (error) {
      // The ring in memory stays good; the next tick tries again.
      this.logger.warn(`keys could not be reloaded: ${(error as Error).message}`);
    }
  }
}
