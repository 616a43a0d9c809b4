import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Principals } from '../authz/principals.service';
import { requirePermission } from '../authz/require-permission';
import { Roles } from '../authz/roles.service';
import { SIGN_UP_ROLE } from '../authz/sign-up-role';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { Account, CreateAccountBody } from './accounts.dto';
import { InvitationMail } from './invitation.mail';
import { accountOf } from './profile-view';
import { emailTaken } from './users.errors';

/**
 * Makes accounts for others. A person gets what a sign-up gives, without a password: the link in the mail sets it. A
 * service gets nothing: no address, no password, no role.
 */
@Injectable()
export class CreateAccount {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly roles: Roles,
    private readonly principals: Principals,
    private readonly events: Events,
    private readonly invitation: InvitationMail,
  ) {}

  /** @throws permission_denied, email_taken */
  async run(caller: IdentifiedCaller, body: CreateAccountBody): Promise<Account> {
    requirePermission(caller, 'user:write');
    requirePermission(caller, 'user:read');
    return this.db.transaction(async (tx) => {
      const userId = await this.insert(tx, body);
      if (userId === null) throw emailTaken();
      await this.events.record(tx, caller, {
        type: 'user.registered',
        subject: `user:${userId}`,
        data: { method: 'administrator', kind: body.kind },
      });
      if (body.kind === 'person') {
        await this.roles.assign(tx, caller, userId, SIGN_UP_ROLE);
        await this.invitation.enqueue(tx, userId);
      }
      return accountOf((await this.principals.load(userId, tx))!);
    });
  }

  /** @returns null where a living account has the address. */
  private async insert(tx: EntityManager, body: CreateAccountBody): Promise<string | null> {
    const { kind, name, phone = null, timezone, locale } = body;
    const isPerson = kind === 'person';
    const id = newId();
    const now = this.clock.date();
    const { raw } = (await tx
      .createQueryBuilder()
      .insert()
      .into(User)
      .values({
        id,
        kind,
        email: isPerson ? body.email : null,
        name,
        phone,
        timezone,
        locale,
        status: isPerson ? 'pending_verification' : 'active',
        createdAt: now,
        updatedAt: now,
      })
      .orIgnore()
      .returning('id')
      .execute()) as { raw: unknown[] };
    return raw.length > 0 ? id : null;
  }
}
