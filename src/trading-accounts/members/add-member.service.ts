import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../../authz/authority.service';
import { escalationRefused } from '../../authz/authz.errors';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { readEnd } from '../../common/read-end';
import { AccountAccess } from '../account-access.service';
import { livingMembers, Membership } from './living-members';
import { lockAccount } from './lock-account';
import { memberItem } from './member-item';
import { MemberRecord } from './member-record';
import { AddMemberBody, MemberItem } from './members.dto';
import { Sharing } from './sharing.service';
import { AccessibleAccount, ACCOUNT_PERMISSIONS, AccountPermission } from '../trading-account';
import {
  alreadyMember,
  alreadyOwner,
  memberNotFound,
  tooManyMembers,
  tradingAccountNotLinked,
} from '../trading-accounts.errors';

/** Expired ones do not count. */
const MOST_MEMBERS = 50;

interface Invitee {
  userId: string;
  name: string;
  email: string;
}

interface Wish {
  permissions: AccountPermission[];
  expiresAt: Date | null;
}

/**
 * Shares an account with somebody who has an account here. Whatever the call found at first is judged again with the
 * account's row locked, under which every membership of it changes: while it waited, the inviter may have been removed.
 */
@Injectable()
export class AddMember {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly access: AccountAccess,
    private readonly authority: Authority,
    private readonly sharing: Sharing,
    private readonly record: MemberRecord,
  ) {}

  /**
   * @throws feature_disabled, permission_denied, not_found, account_permission_denied, trading_account_not_linked,
   * validation_failed, email_not_verified, rate_limited, member_not_found, already_owner, already_member,
   * escalation_refused, too_many_members
   */
  async run(caller: AuthenticatedCaller, accountId: string, body: AddMemberBody): Promise<MemberItem> {
    requirePermission(caller, 'trading_account:manage');
    this.sharing.requireOn();
    // First without a lock: whoever may not, learns nothing of an address.
    const { brokerUserId } = await this.access.require(caller, accountId, 'manage');
    // What the broker has not confirmed may be gone in a moment.
    if (brokerUserId === null) throw tradingAccountNotLinked();
    const expiresAt = readEnd(body.expires_at, { now: this.clock.now(), mostYears: 10 });
    const permissions = ACCOUNT_PERMISSIONS.filter(
      (name) => name === 'view' || body.permissions.includes(name),
    );
    await this.sharing.admit(caller);
    const member = await this.db.transaction(async (tx) => {
      // Users' rows before the account's: the order of whoever deletes one.
      const invitee = await lockInvitee(tx, body.email);
      if (!(await lockAccount(tx, accountId))) throw notFound();
      const account = await this.access.require(caller, accountId, 'manage', tx);
      await this.authority.requireNow(tx, caller, []);
      if (!invitee) throw memberNotFound();
      const wish = { permissions, expiresAt };
      const grantedUnder = await this.requireFits(tx, caller, account, invitee, wish);
      return this.record.write(tx, caller, account, { ...invitee, ...wish, grantedUnder });
    });
    return memberItem(member);
  }

  /** @returns the membership under which it is given; null: the owner gives it. */
  private async requireFits(
    tx: EntityManager,
    { userId }: AuthenticatedCaller,
    account: AccessibleAccount,
    invitee: Invitee,
    wish: Wish,
  ): Promise<string | null> {
    const now = this.clock.date();
    // What was given under one that has expired has expired too.
    await tx.query(`DELETE FROM trading_account_members WHERE trading_account_id = $1 AND expires_at <= $2`, [
      account.id,
      now,
    ]);
    const members = await livingMembers(tx, account.id, now);
    if (invitee.userId === account.userId) throw alreadyOwner();
    const standing = members.find((member) => member.userId === invitee.userId);
    // With what it takes to remove it.
    if (standing) throw alreadyMember({ extra: { membership_id: standing.id } });
    if (members.length >= MOST_MEMBERS) throw tooManyMembers();
    if (account.isOwner) return null;
    const own = members.find((member) => member.userId === userId);
    if (!own || !isWithin(wish, own)) throw escalationRefused();
    return own.id;
  }
}

/**
 * Somebody who can be given access; null for everybody else alike, so that nothing is said of why. Until the
 * transaction ends nobody suspends or deletes them.
 */
async function lockInvitee(tx: EntityManager, email: string): Promise<Invitee | null> {
  const [invitee] = await tx.query<Invitee[]>(
    `SELECT id AS "userId", name, email FROM users
     WHERE email = $1 AND kind = 'person' AND status = 'active' AND email_verified_at IS NOT NULL
       AND deleted_at IS NULL
     FOR SHARE`,
    [email],
  );
  return invitee ?? null;
}

/** Nobody gives what they lack, or for longer than they have it. */
const isWithin = ({ permissions, expiresAt }: Wish, own: Membership): boolean =>
  permissions.every((name) => own.permissions.includes(name)) &&
  (own.expiresAt === null || (expiresAt !== null && expiresAt <= own.expiresAt));
