import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull, LessThan } from 'typeorm';
import { Clock } from '../common/clock';
import { idBytes, idFromBytes } from '../common/ids';
import { OneTimePurpose, OneTimeToken } from './one-time-token.entity';
import { OpaqueTokens } from './opaque-tokens.service';

const ID_BYTES = 16;
const DAY = 86_400_000;

/** Tokens for mailed links: good once, for a while, for one purpose and the address they were mailed to. */
@Injectable()
export class OneTimeTokens {
  constructor(
    private readonly opaque: OpaqueTokens,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a token. Asking again with the same id gives the same token, so a mail that is written twice holds the same
   * link; its time begins anew.
   * @returns the token, and whether this call made it.
   */
  async issue(
    tx: EntityManager,
    token: Pick<OneTimeToken, 'id' | 'userId' | 'purpose' | 'email'> & { ttlMs: number },
  ): Promise<{ token: string; isNew: boolean }> {
    const { ttlMs, ...row } = token;
    // Old ones say nothing any more; so no user gathers them.
    await tx.delete(OneTimeToken, {
      userId: row.userId,
      expiresAt: LessThan(new Date(this.clock.now() - DAY)),
    });
    const now = this.clock.date();
    const [made] = await tx.query<{ inserted: boolean }[]>(
      `INSERT INTO one_time_tokens (id, user_id, purpose, email, created_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at WHERE one_time_tokens.used_at IS NULL
       RETURNING created_at = $5 AS inserted`,
      [row.id, row.userId, row.purpose, row.email, now, new Date(now.getTime() + ttlMs)],
    );
    return { token: this.opaque.seal(row.purpose, idBytes(row.id)), isNew: made?.inserted ?? false };
  }

  /** The id inside a token; null where it was not made here. Asked before any transaction: a new key may be fetched. */
  async identify(purpose: OneTimePurpose, token: string): Promise<string | null> {
    const payload = await this.opaque.open(purpose, token, ID_BYTES);
    return payload && idFromBytes(payload);
  }

  /** Uses a token up: of any number of simultaneous calls one gets it. Null where it is unknown, used or over. */
  async consume(tx: EntityManager, purpose: OneTimePurpose, id: string): Promise<OneTimeToken | null> {
    const now = this.clock.date();
    const result = await tx
      .createQueryBuilder()
      .update(OneTimeToken)
      .set({ usedAt: now })
      .where('id = :id AND purpose = :purpose', { id, purpose })
      .andWhere('used_at IS NULL AND expires_at > :now', { now })
      .returning('*')
      .execute();
    const [row] = result.raw as { id: string; user_id: string; email: string }[];
    return row
      ? ({ id: row.id, userId: row.user_id, purpose, email: row.email, usedAt: now } as OneTimeToken)
      : null;
  }

  /** Ends every unused token of a user for a purpose. */
  async discard(tx: EntityManager, userId: string, purpose: OneTimePurpose): Promise<void> {
    await tx.update(OneTimeToken, { userId, purpose, usedAt: IsNull() }, { usedAt: this.clock.date() });
  }
}
