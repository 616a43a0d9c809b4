import { Inject, Injectable, Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { CryptoKey, importPKCS8, JWK } from 'jose';
import { createSecretKey, KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { unavailable } from '../common/common.errors';
import { operatorMessage } from '../common/operator-message';
import { CONFIG, Config } from '../config/config';
import { BACKGROUND } from '../infra/background';
import { IntegrityError } from '../infra/kms/integrity-error';
import { KMS, Kms } from '../infra/kms/kms';
import { keyStatus, KeyStatus, KeyTimes } from './key-life';
import { KEY_USES, KeyUse, SigningKey, signingKeyContext } from './signing-key.entity';
import { SigningKeys } from './signing-keys.service';

const REFRESH_MS = 30_000;
const OVER: readonly KeyStatus[] = ['retired', 'revoked'];
/** A token may carry a key made just now on another instance; asking is bounded, or strangers could make us ask. */
const UNKNOWN_KEY_PAUSE_MS = 1_000;

type Secret = CryptoKey | KeyObject;

export interface RingKey extends KeyTimes {
  publicJwk: JWK | null;
  /** Signs (RSA), or signs and verifies (HMAC). Null where it could not be unwrapped: the public part verifies all the same. */
  secret: Secret | null;
}

/**
 * Every key in force, in memory: signing, checking and the JWKS need neither PostgreSQL nor the KMS, and go on while
 * they are down.
 */
@Injectable()
export class KeyRing implements OnModuleInit, OnApplicationShutdown {
  private keys: RingKey[] = [];
  /** Of every key there ever was, because one that is over may have ended another. */
  private times: readonly KeyTimes[] = [];
  /** Why those without a secret have none, by id. */
  private failures = new Map<string, Error>();
  private timer?: NodeJS.Timeout;
  private last: Promise<void> = Promise.resolve();
  private loadedAt = -Infinity;
  private nextLoad?: Promise<void>;
  private readonly logger = new Logger(KeyRing.name);

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(KMS) private readonly kms: Kms,
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly signingKeys: SigningKeys,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  /**
   * Makes the first keys where there are none, and reads them.
   * @throws Error where a key that signs now cannot be unwrapped. A command goes on: it may be there to replace that key.
   */
  async onModuleInit(): Promise<void> {
    await this.signingKeys.ensure();
    await this.load();
    const unusable = KEY_USES.map((use) => this.active(use)).find((key) => key?.secret === null);
    if (unusable && this.background) throw this.failures.get(unusable.kid)!;
    this.timer = setInterval(() => void this.tick(), REFRESH_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /**
   * The key that signs now: the newest that is active, or, while that one cannot be unwrapped, the one before it, as long as
   * what it signs is believed.
   * @throws unavailable where there is none: it has just been revoked, or the KMS is away
   */
  signer(use: KeyUse): RingKey & { secret: Secret } {
    const usable = this.keys.find(
      (key) => key.use === use && key.secret && ['active', 'retiring'].includes(this.status(key)),
    );
    if (usable?.secret) return { ...usable, secret: usable.secret };
    const failure = this.failures.get(this.active(use)?.kid ?? '');
    throw unavailable({ cause: failure ?? new Error(`no active key for ${use} tokens`) });
  }

  /** @throws unavailable where it could not be unwrapped */
  secretOf({ kid, secret }: RingKey): Secret {
    if (secret === null) throw unavailable({ cause: this.failures.get(kid) });
    return secret;
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

  /** Reads the table: one after the other, or one that took long would bring back what a later one has learnt. */
  load(): Promise<void> {
    const mine = this.last.then(() => this.read());
    this.last = mine.catch(() => undefined);
    return mine;
  }

  /** A key that was revoked is out of force at once, also where the one in its place cannot be unwrapped. */
  private async read(): Promise<void> {
    this.loadedAt = performance.now();
    const rows = await this.db.find(SigningKey, { order: { activatesAt: 'DESC', kid: 'DESC' } });
    const inForce = rows.filter((row) => !OVER.includes(this.status(row, rows)));
    const revoked = new Set(rows.filter(({ revokedAt }) => revokedAt).map(({ kid }) => kid));
    this.keys = this.keys.filter(({ kid }) => !revoked.has(kid));
    const known = new Map(this.keys.map(({ kid, secret }) => [kid, secret]));
    const failures = new Map<string, Error>();
    this.keys = await Promise.all(
      inForce.map(async (row) => ({
        ...row,
        secret: known.get(row.kid) ?? (await this.unwrapOrNote(row, failures)),
      })),
    );
    this.times = rows;
    this.failures = failures;
  }

  private async loadSoon(): Promise<void> {
    await sleep(Math.max(0, this.loadedAt + UNKNOWN_KEY_PAUSE_MS - performance.now()));
    await this.load();
  }

  private active(use: KeyUse): RingKey | undefined {
    return this.keys.find((candidate) => candidate.use === use && this.status(candidate) === 'active');
  }

  private find(use: KeyUse, matches: (key: RingKey) => boolean): RingKey | undefined {
    return this.keys.find((key) => key.use === use && matches(key) && !OVER.includes(this.status(key)));
  }

  private status(key: KeyTimes, all: readonly KeyTimes[] = this.times): KeyStatus {
    return keyStatus(key, all, this.clock.now(), this.signingKeys.tokenLife(key.use));
  }

  private async unwrapOrNote(row: SigningKey, failures: Map<string, Error>): Promise<Secret | null> {
    try {
      return await this.unwrap(row);
    } catch (error) {
      failures.set(row.kid, error as Error);
      if (!this.failures.has(row.kid)) this.logger.error((error as Error).message);
      return null;
    }
  }

  private async unwrap(row: SigningKey): Promise<Secret> {
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

  /** The table first: revocations are heard of also while no key can be made. */
  private async tick(): Promise<void> {
    for (const step of [() => this.load(), () => this.signingKeys.rotateWhenDue()]) {
      try {
        await step();
      } catch (error) {
        // The ring in memory stays good; the next tick tries again.
        this.logger.warn(`keys could not be reloaded or rotated: ${(error as Error).message}`);
      }
    }
  }
}
