import { Inject, Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK, JWK } from 'jose';
import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { EntityManager, IsNull } from 'typeorm';
import { systemCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { CONFIG, Config } from '../config/config';
import { Events } from '../infra/events/events';
import { KMS, Kms } from '../infra/kms/kms';
import { keyStatus, KeyStatus } from './key-life';
import { KEY_USES, KeyUse, SigningKey, signingKeyContext } from './signing-key.entity';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Between publishing a key and signing with it: twice the time that verifiers may cache the JWKS. */
export const PUBLISH_AHEAD_MS = 10 * MINUTE;
/** Clocks of verifiers and instances may differ by so much. */
const CLOCK_LEEWAY_MS = 2 * MINUTE;

export interface KeySummary {
  kid: string;
  use: KeyUse;
  alg: string;
  status: KeyStatus;
  createdAt: Date;
  activatesAt: Date;
}

/** The table of signing keys: makes, rotates and lists them. Whoever signs asks the `KeyRing`. */
@Injectable()
export class SigningKeys {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(KMS) private readonly kms: Kms,
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly events: Events,
  ) {}

  /** Milliseconds that a token signed with such a key may live. A seal is good for ever. */
  tokenLife(use: KeyUse): number {
    if (use === 'audit') return Infinity;
    const { config } = this;
    const opaque = Math.max(
      config.REDIS_SESSION_TTL_DAYS * DAY,
      config.EMAIL_VERIFICATION_TOKEN_TTL_HOURS * 60 * MINUTE,
      config.PASSWORD_RESET_TOKEN_TTL_MINUTES * MINUTE,
    );
    return (use === 'access' ? config.JWT_ACCESS_TOKEN_TTL_MINUTES * MINUTE : opaque) + CLOCK_LEEWAY_MS;
  }

  /** Makes the first key of each use; harmless when it is there, also when many instances start together. */
  async ensure(): Promise<void> {
    for (const use of KEY_USES) {
      // Backdated: an instance whose clock is behind must be able to sign too.
      await this.makeIf(
        use,
        this.clock.now() - CLOCK_LEEWAY_MS,
        async (tx) => !(await tx.existsBy(SigningKey, { use })),
      );
    }
  }

  /**
   * Makes the next key. It signs after ten minutes, so that every verifier has seen it by then; the present one
   * verifies until its last token is over.
   * @param immediately sign with it at once: for a leaked key. Gateways may refuse new tokens until they read the
   * JWKS again (at most five minutes).
   */
  async rotate({
    use = 'access',
    immediately = false,
  }: { use?: KeyUse; immediately?: boolean } = {}): Promise<KeySummary> {
    const made = await this.makeIf(
      use,
      this.clock.now() + (immediately ? 0 : PUBLISH_AHEAD_MS),
      async () => true,
    );
    return (await this.list()).find((key) => key.kid === made)!;
  }

  /**
   * Takes a leaked key out of force, whatever still carries its signature: everybody refreshes (access) or signs in
   * again (opaque). Where it is the one that signs, another takes over first. Other instances follow within 30 s.
   * @returns null where there is no such key.
   */
  async revoke(kid: string): Promise<KeySummary | null> {
    const key = (await this.list()).find((candidate) => candidate.kid === kid);
    if (!key) return null;
    if (key.status === 'active') await this.rotate({ use: key.use, immediately: true });
    await this.db.transaction(async (tx) => {
      const { affected } = await tx.update(
        SigningKey,
        { kid, revokedAt: IsNull() },
        { revokedAt: this.clock.date() },
      );
      if (affected !== 1) return;
      await this.events.record(tx, systemCaller(newId()), {
        type: 'signing_key.revoked',
        subject: `signing_key:${kid}`,
        data: { kid, use: key.use },
      });
    });
    return (await this.list()).find((candidate) => candidate.kid === kid) ?? null;
  }

  /** Rotates keys older than JWT_KEY_ROTATION_DAYS. Safe on every instance at once. */
  async rotateWhenDue(): Promise<void> {
    const days = this.config.JWT_KEY_ROTATION_DAYS;
    if (days === 0) return;
    const due = async (tx: EntityManager, use: KeyUse): Promise<boolean> => {
      const [newest] = await tx.find(SigningKey, { where: { use }, order: { activatesAt: 'DESC' }, take: 1 });
      return newest !== undefined && newest.activatesAt.getTime() < this.clock.now() - days * DAY;
    };
    for (const use of KEY_USES) {
      if (await due(this.db, use)) {
        await this.makeIf(use, this.clock.now() + PUBLISH_AHEAD_MS, (tx) => due(tx, use));
      }
    }
  }

  /** Newest first. */
  async list(): Promise<KeySummary[]> {
    const keys = await this.db.find(SigningKey, { order: { activatesAt: 'DESC' } });
    return keys.map(({ kid, use, alg, createdAt, activatesAt, ...key }) => ({
      kid,
      use,
      alg,
      status: keyStatus({ kid, use, activatesAt, ...key }, keys, this.clock.now(), this.tokenLife(use)),
      createdAt,
      activatesAt,
    }));
  }

  /** Key material is made and wrapped first: the KMS may be a network away, and no transaction waits for it. */
  private async makeIf(
    use: KeyUse,
    activatesAt: number,
    condition: (tx: EntityManager) => Promise<boolean>,
  ): Promise<string | null> {
    if (!(await condition(this.db))) return null;
    const key = await this.generate(use);
    return this.db.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('signing-keys', 0))`);
      if (!(await condition(tx))) return null;
      await tx.insert(SigningKey, {
        ...key,
        createdAt: this.clock.date(),
        activatesAt: new Date(activatesAt),
        revokedAt: null,
      });
      await this.events.record(tx, systemCaller(newId()), {
        type: 'signing_key.rotated',
        subject: `signing_key:${key.kid}`,
        data: { kid: key.kid, use, activates_at: new Date(activatesAt).toISOString() },
      });
      return key.kid;
    });
  }

  private async generate(
    use: KeyUse,
  ): Promise<Pick<SigningKey, 'kid' | 'use' | 'alg' | 'publicJwk' | 'wrappedSecret'>> {
    if (use === 'opaque') {
      const kid = randomBytes(9).toString('base64url');
      return {
        kid,
        use,
        alg: 'HS256',
        publicJwk: null,
        wrappedSecret: await this.wrap(kid, randomBytes(32)),
      };
    }
    const pair = await promisify(generateKeyPair)('rsa', { modulusLength: this.config.JWT_KEY_BITS });
    const { kty, n, e } = await exportJWK(pair.publicKey);
    const kid = await calculateJwkThumbprint({ kty, n, e });
    const publicJwk: JWK = { kty, use: 'sig', kid, alg: 'RS256', n, e };
    const pem = Buffer.from(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return { kid, use, alg: 'RS256', publicJwk, wrappedSecret: await this.wrap(kid, pem) };
  }

  private async wrap(kid: string, secret: Buffer): Promise<Buffer> {
    try {
      return await this.kms.wrap(secret, signingKeyContext(kid));
    } finally {
      secret.fill(0);
    }
  }
}
