import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../../authz/authority.service';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound, validationFailed } from '../../common/common.errors';
import { Events } from '../../infra/events/events';
import { AccountAccess } from '../account-access.service';
import { accountItem } from '../account-view';
import { LoginUrls } from '../logins/login-urls.service';
import { lockAccount } from '../members/lock-account';
import { mergePreferences, Preferences, sizeProblem } from './preferences';
import { UpdateTradingAccountBody } from './reading.dto';
import { AccessibleAccount } from '../trading-account';
import { TradingAccountItem } from '../trading-accounts.dto';
import { ownerRequired } from '../trading-accounts.errors';

const FIELDS = ['nickname', 'preferences'] as const;
type Field = (typeof FIELDS)[number];

/** Changes what people call an account, and what applications keep with it. */
@Injectable()
export class UpdateAccount {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly access: AccountAccess,
    private readonly authority: Authority,
    private readonly loginUrls: LoginUrls,
    private readonly events: Events,
  ) {}

  /**
   * Changes what is given; the event names the fields, not their values. Nothing given: no change, no event.
   * @throws permission_denied, not_found, account_permission_denied; owner_required where it decides what mail the owner
   * gets; validation_failed for preferences that outgrow their bounds
   */
  async run(
    caller: AuthenticatedCaller,
    accountId: string,
    body: UpdateTradingAccountBody,
  ): Promise<TradingAccountItem> {
    requirePermission(caller, 'trading_account:manage');
    const fields = FIELDS.filter((field) => body[field] !== undefined);
    // First without a lock: whoever may not, waits for nobody and has nobody wait.
    await this.access.require(caller, accountId, 'manage');
    const account = await this.db.transaction(async (tx) => {
      // Two changes at once are merged one after the other; while one waited, its caller may have been removed.
      if (!(await lockAccount(tx, accountId))) throw notFound();
      const found = await this.access.require(caller, accountId, 'manage', tx);
      await this.authority.requireNow(tx, caller, []);
      return fields.length === 0 ? found : this.write(tx, caller, changed(found, body), fields);
    });
    return accountItem(account, await this.loginUrls.of(account));
  }

  private async write(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    account: AccessibleAccount,
    fields: Field[],
  ): Promise<AccessibleAccount> {
    const { id, userId, nickname, preferences } = account;
    await tx.query(
      `UPDATE trading_accounts SET nickname = $2, preferences = $3, updated_at = $4 WHERE id = $1`,
      [id, nickname, JSON.stringify(preferences), this.clock.date()],
    );
    await this.events.record(tx, caller, {
      type: 'trading_account.updated',
      subject: `user:${userId}`,
      resource: `trading_account:${id}`,
      data: { fields },
    });
    return account;
  }
}

/** @throws validation_failed; owner_required for what decides which mail the owner gets. */
function changed(account: AccessibleAccount, body: UpdateTradingAccountBody): AccessibleAccount {
  const preferences = mergePreferences(account.preferences, body.preferences ?? {});
  const problem = body.preferences && sizeProblem(preferences);
  if (problem)
    throw validationFailed({ fields: [{ field: 'preferences', message: `preferences ${problem}` }] });
  if (!account.isOwner && mailWish(preferences) !== mailWish(account.preferences)) throw ownerRequired();
  return {
    ...account,
    nickname: body.nickname === undefined ? account.nickname : body.nickname,
    preferences,
  };
}

const mailWish = ({ session_expired_mail: wish }: Preferences): string | undefined => JSON.stringify(wish);
