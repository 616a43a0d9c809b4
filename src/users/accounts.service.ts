import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { Principals } from '../authz/principals.service';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { Account } from './accounts.dto';
import { ProfileChanges } from './profile-changes';
import { accountOf } from './profile-view';
import { UpdateProfileBody } from './profile.dto';

/** Administrators see and change single accounts. */
@Injectable()
export class Accounts {
  constructor(
    private readonly db: EntityManager,
    private readonly principals: Principals,
    private readonly authority: Authority,
    private readonly changes: ProfileChanges,
  ) {}

  /** @throws permission_denied, not_found */
  async get(caller: IdentifiedCaller, userId: string): Promise<Account> {
    requirePermission(caller, 'user:read');
    return this.show(userId);
  }

  /** @throws permission_denied, not_found, escalation_refused */
  async update(caller: IdentifiedCaller, userId: string, body: UpdateProfileBody): Promise<Account> {
    requirePermission(caller, 'user:write');
    requirePermission(caller, 'user:read');
    await this.db.transaction(async (tx) => {
      await this.authority.requireOver(caller, userId, tx);
      await this.changes.write(tx, caller, userId, body);
    });
    return this.show(userId);
  }

  /** For whoever has just changed it, and may read it. @throws not_found */
  async show(userId: string): Promise<Account> {
    const principal = await this.principals.load(userId);
    if (!principal) throw notFound();
    return accountOf(principal);
  }
}
