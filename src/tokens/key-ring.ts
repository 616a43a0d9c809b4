import { Inject, Injectable, Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { JWK } from 'jose';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { unavailable } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { BACKGROUND } from '../infra/background';
import { KMS, Kms } from '../infra/kms/kms';
import { keyStatus, KeyStatus, KeyTimes } from './key-life';
import { KEY_USES, KeyUse, SigningKey } from './signing-key.entity';
import { SigningKeys } from './signing-keys.service';
import { KeySecret, unwrapKey } from './unwrap-key';

const REFRESH_MS = 30_000;
const OVER: readonly KeyStatus[] = ['retired', 'revoked'];
/** A token may carry a key made just now on another instance; asking is bounded, or strangers could make us ask. */
const UNKNOWN_KEY_PAUSE_MS = 1_000;
/** With that pause before it, well within the two seconds in which everybody is answered. */
const NEW_SECRET_PATIENCE_MS = 500;

export interface RingKey extends KeyTimes {
  publicJwk: JWK | null;
  /** Signs (RSA), or signs and verifies (HMAC). Null where it is not unwrapped, yet or at all: the public part verifies all the same. */
  secret: KeySecret | null;
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
  private readonly failures = new Map<string, Error>();
  /** What the KMS has been asked for, by id. */
  private readonly unwrapping = new Map<string, Promise<void>>();
  private timer?: NodeJS.Timeout;
  private last: Promise<void> = Promise.resolve();
  private loadedAt = -Infinity;
  private nextRead?: Promise<void>;
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
   * @throws Error where nothing can be signed because the key for it cannot be unwrapped. Seals can wait, and a command goes on:
   * it may be there to replace that key.
   */
  async onModuleInit(): Promise<void> {
    await this.signingKeys.ensure();
    await this.load();
    const failure = KEY_USES.filter((use) => use !== 'audit' && !this.usable(use))
      .map((use) => this.failureOf(use))
      .find(Boolean);
    if (failure && this.background) throw failure;
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
  signer(use: KeyUse): RingKey & { secret: KeySecret } {
    const usable = this.usable(use);
    if (usable?.secret) return { ...usable, secret: usable.secret };
    throw unavailable({ cause: this.failureOf(use) ?? new Error(`no active key for ${use} tokens`) });
  }

  /** @throws unavailable where it could not be unwrapped */
  secretOf({ kid, secret }: RingKey): KeySecret {
    if (secret === null) throw unavailable({ cause: this.failures.get(kid) });
    return secret;
  }

  /** The key of this id, as long as a token signed with it can still be good. */
  verifier(use: KeyUse, kid: string): RingKey | undefined {
    return this.find(use, (key) => key.kid === kid);
  }

  /**
   * The first key that matches; where none does the table is read once more, for all who wait and once a second. Only one whose
   * secret is what verifies waits for the KMS, and not for long.
   */
  async findVerifier(use: KeyUse, matches: (key: RingKey) => boolean): Promise<RingKey | undefined> {
    if (!this.find(use, matches))
      await (this.nextRead ??= this.readSoon().finally(() => (this.nextRead = undefined)));
    const key = this.find(use, matches);
    const secret = key && !key.publicJwk && !key.secret && this.unwrapping.get(key.kid);
    if (!secret) return key;
    await Promise.race([secret, sleep(NEW_SECRET_PATIENCE_MS)]);
    return this.find(use, matches);
  }

  /** Public keys that verify access tokens, now or soon. */
  published(): JWK[] {
    return this.keys
      .filter((key) => key.use === 'access' && !OVER.includes(this.status(key)))
      .map((key) => key.publicJwk!);
  }

  /** Reads the table, and waits until the KMS has answered for what is new in it. */
  async load(): Promise<void> {
    await this.read();
    await Promise.all(this.unwrapping.values());
  }

  /** One after the other, or one that took long would bring back what a later one has learnt. */
  private read(): Promise<void> {
    const mine = this.last.then(() => this.readTable());
    this.last = mine.catch(() => undefined);
    return mine;
  }

  /** What it says is so at once: nothing that is revoked, and nobody who asks for a key that is not there, waits for the KMS. */
  private async readTable(): Promise<void> {
    this.loadedAt = performance.now();
    const rows = await this.db.find(SigningKey, { order: { activatesAt: 'DESC', kid: 'DESC' } });
    const inForce = rows.filter((row) => !OVER.includes(this.status(row, rows)));
    const known = new Map(this.keys.map(({ kid, secret }) => [kid, secret]));
    this.keys = inForce.map((row) => ({ ...row, secret: known.get(row.kid) ?? null }));
    this.times = rows;
    for (const row of inForce) {
      if (known.get(row.kid) || this.unwrapping.has(row.kid)) continue;
      const done = this.unwrapOrNote(row).finally(() => this.unwrapping.delete(row.kid));
      this.unwrapping.set(row.kid, done);
    }
  }

  private async readSoon(): Promise<void> {
    await sleep(Math.max(0, this.loadedAt + UNKNOWN_KEY_PAUSE_MS - performance.now()));
    await this.read();
  }

  private usable(use: KeyUse): RingKey | undefined {
    return this.keys.find(
      (key) => key.use === use && key.secret && ['active', 'retiring'].includes(this.status(key)),
    );
  }

  /** Why the active key has no secret. */
  private failureOf(use: KeyUse): Error | undefined {
    const active = this.keys.find((key) => key.use === use && this.status(key) === 'active');
    return active && this.failures.get(active.kid);
  }

  private find(use: KeyUse, matches: (key: RingKey) => boolean): RingKey | undefined {
    return this.keys.find((key) => key.use === use && matches(key) && !OVER.includes(this.status(key)));
  }

  private status(key: KeyTimes, all: readonly KeyTimes[] = this.times): KeyStatus {
    return keyStatus(key, all, this.clock.now(), this.signingKeys.tokenLife(key.use));
  }

  private async unwrapOrNote(row: SigningKey): Promise<void> {
    try {
      const secret = await unwrapKey(row, this.kms, this.config);
      const key = this.keys.find(({ kid }) => kid === row.kid);
      if (key) key.secret = secret;
      this.failures.delete(row.kid);
    } catch (error) {
      const { message } = error as Error;
      if (this.failures.get(row.kid)?.message !== message) this.logger.error(message);
      this.failures.set(row.kid, error as Error);
    }
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
