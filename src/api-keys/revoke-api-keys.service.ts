import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { Caller, IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notFound } from '../common/common.errors';
import { Events } from '../infra/events/events';

/** Revokes API keys. In force with the commit, on every instance: no process remembers a key. */
@Injectable()
export class RevokeApiKeys {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly authority: Authority,
  ) {}

  /** @throws permission_denied, escalation_refused; not_found for an unknown key, and for one revoked before */
  async one(caller: IdentifiedCaller, keyId: string): Promise<void> {
    requirePermission(caller, 'user:write');
    const [key] = await this.db.query<{ user_id: string }[]>(
      `SELECT user_id FROM api_keys WHERE id = $1 AND revoked_at IS NULL`,
      [keyId],
    );
    if (!key) throw notFound();
    await this.db.transaction(async (tx) => {
      // It locks the account's row, which comes first for everybody who changes what belongs to the account.
      await this.authority.requireOver(caller, key.user_id, tx);
      const [revoked] = await tx.query<[unknown[], number]>(
        `UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id`,
        [keyId, this.clock.date()],
      );
      if (revoked.length === 0) throw notFound();
      await this.record(tx, caller, key.user_id, keyId);
    });
  }

  /**
   * Revokes every key of an account that is in force, at most fifty, for whoever deletes it. Call it after the account's
   * row is locked.
   * @returns how many there were.
   */
  async ofUser(tx: EntityManager, caller: Caller, userId: string): Promise<number> {
    const now = this.clock.date();
    // In the order in which `ApiKeyUsage` locks them, or they could wait for each other for ever.
    const keys = await tx.query<{ id: string }[]>(
      `SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
       ORDER BY id FOR NO KEY UPDATE`,
      [userId, now],
    );
    const ids = keys.map(({ id }) => id);
    await tx.query(`UPDATE api_keys SET revoked_at = $2 WHERE id = ANY($1::uuid[])`, [ids, now]);
    for (const id of ids) await this.record(tx, caller, userId, id);
    return ids.length;
  }

  private async record(tx: EntityManager, caller: Caller, userId: string, keyId: string): Promise<void> {
    await this.events.record(tx, caller, {
      type: 'api_key.revoked',
      subject: `user:${userId}`,
      resource: `api_key:${keyId}`,
      data: { api_key_id: keyId },
    });
  }
}
