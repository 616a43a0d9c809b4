import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { PermissionCache } from '../authz/permission-cache';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { EndSessions } from '../sessions/end-sessions.service';
import { refuseSelf } from './refuse-self';
import { SuspensionRecord } from './suspension-record';

/** Thrown to undo a transaction that has found nothing to change. */
class SuspendedAlready extends Error {}

/**
 * Closes accounts and opens them again. A suspended account is signed out at once, also of a sign-in that is under
 * way, and its API keys stop working. Doing either twice is one change and one event.
 */
@Injectable()
export class Suspensions {
  constructor(
    private readonly db: EntityManager,
    private readonly cache: PermissionCache,
    private readonly authority: Authority,
    private readonly endSessions: EndSessions,
    private readonly record: SuspensionRecord,
  ) {}

  /** @throws permission_denied, not_found, escalation_refused (also for the own account), last_administrator */
  async suspend(caller: IdentifiedCaller, userId: string, reason: string | null): Promise<void> {
    requirePermission(caller, 'user:write');
    requirePermission(caller, 'user:read');
    refuseSelf(caller, userId);
    // First without a lock: whoever may not, puts up no fence.
    await this.authority.requireOver(caller, userId);
    try {
      await this.cache.whileChanging(userId, () =>
        this.endSessions.run(
          caller,
          { userId, reason: 'account_suspended', ends: () => true, underWay: true },
          async (tx) => {
            if (!(await this.record.suspend(tx, caller, userId, reason))) throw new SuspendedAlready();
          },
        ),
      );
    } catch (error) {
      if (!(error instanceof SuspendedAlready)) throw error;
    }
  }

  /** @throws permission_denied, not_found, escalation_refused (also for the own account) */
  async reactivate(caller: IdentifiedCaller, userId: string): Promise<void> {
    requirePermission(caller, 'user:write');
    requirePermission(caller, 'user:read');
    refuseSelf(caller, userId);
    await this.authority.requireOver(caller, userId);
    await this.cache.whileChanging(userId, () =>
      this.db.transaction((tx) => this.record.reactivate(tx, caller, userId)),
    );
  }
}
