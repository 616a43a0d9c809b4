import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { validationFailed } from '../common/common.errors';
import { Authority } from './authority.service';
import { RolesReply } from './authz.dto';
import { escalationRefused } from './authz.errors';
import { LastAdministrator } from './last-administrator.service';
import { PermissionCache } from './permission-cache';
import { requireProvedAddress } from './proved-address';
import { requirePermission } from './require-permission';
import { Roles } from './roles.service';

/** Sets which roles a user has. Decisions follow at once, the claims of access tokens with the next refresh. */
@Injectable()
export class AssignRoles {
  constructor(
    private readonly db: EntityManager,
    private readonly cache: PermissionCache,
    private readonly authority: Authority,
    private readonly lastAdministrator: LastAdministrator,
    private readonly roles: Roles,
  ) {}

  /**
   * @param names of all roles that the user shall have; none is fine.
   * @throws permission_denied, validation_failed, escalation_refused, email_not_verified, not_found, last_administrator
   */
  async run(caller: IdentifiedCaller, userId: string, names: readonly string[]): Promise<RolesReply> {
    requirePermission(caller, 'authz:grant');
    const wanted = [...new Set(names)];
    const included = await this.roles.included(this.db, wanted);
    if (!wanted.every((role) => included.has(role))) throw unknownRoles();
    if (userId === caller.userId) throw escalationRefused();
    // First without a lock: whoever may not, puts up no fence.
    await this.authority.requireOver(caller, userId);
    return this.cache.whileChanging(userId, () =>
      this.db.transaction(async (tx) => {
        await this.authority.requireOver(caller, userId, tx);
        const had = await this.roles.of(tx, userId);
        const added = wanted.filter((role) => !had.includes(role));
        const removed = had.filter((role) => !wanted.includes(role));
        await this.requireChange(tx, caller, userId, { added, removed });
        // Asked of every change that leaves no administrator: it knows whether there was one.
        if (!included.has('admin')) await this.lastAdministrator.protect(tx, userId);
        for (const role of removed) await this.roles.remove(tx, caller, userId, role);
        for (const role of added) await this.roles.assign(tx, caller, userId, role);
        return { user_id: userId, roles: await this.roles.of(tx, userId) };
      }),
    );
  }

  private async requireChange(
    tx: EntityManager,
    caller: IdentifiedCaller,
    userId: string,
    { added, removed }: { added: string[]; removed: string[] },
  ): Promise<void> {
    const taken = await this.roles.permissionsOf(tx, removed);
    await this.authority.requireNow(tx, caller, taken);
    if (added.length === 0) return;
    const given = await this.roles.permissionsOf(tx, added);
    await this.authority.requireUntil(tx, caller, given, null);
    await requireProvedAddress(tx, userId, given);
  }
}

function unknownRoles(): Error {
  return validationFailed({ fields: [{ field: 'roles', message: 'roles must be roles of this platform' }] });
}
