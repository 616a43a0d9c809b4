import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound, validationFailed } from '../../common/common.errors';
import { Events } from '../../infra/events/events';
import { AccountAccess } from '../account-access.service';
import { accountItem } from '../account-view';
import { LoginUrls } from '../logins/login-urls.service';
import { mergePreferences, Preferences, sizeProblem } from './preferences';
import { UpdateTradingAccountBody } from './reading.dto';
import { TradingAccountItem } from '../trading-accounts.dto';

interface Changeable {
  userId: string;
  nickname: string | null;
  preferences: Preferences;
}

/** Changes what people call an account, and what applications keep with it. */
@Injectable()
export class UpdateAccount {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly access: AccountAccess,
    private readonly loginUrls: LoginUrls,
    private readonly events: Events,
  ) {}

  /**
   * Changes what is given; the event names the fields, not their values. Nothing given: no change, no event.
   * @throws permission_denied, not_found, account_permission_denied; validation_failed for preferences that outgrow their
   * bounds
   */
  async run(
    caller: AuthenticatedCaller,
    accountId: string,
    body: UpdateTradingAccountBody,
  ): Promise<TradingAccountItem> {
    requirePermission(caller, 'trading_account:manage');
    const fields = (['nickname', 'preferences'] as const).filter((field) => body[field] !== undefined);
    await this.db.transaction(async (tx) => {
      await this.access.require(caller, accountId, 'manage', tx);
      if (fields.length === 0) return;
      // Two changes at once are merged one after the other.
      const account = await lock(tx, accountId);
      await this.write(tx, accountId, changed(account, body));
      await this.events.record(tx, caller, {
        type: 'trading_account.updated',
        subject: `user:${account.userId}`,
        resource: `trading_account:${accountId}`,
        data: { fields },
      });
    });
    const account = await this.access.require(caller, accountId, 'view');
    return accountItem(account, await this.loginUrls.of(account));
  }

  private async write(
    tx: EntityManager,
    accountId: string,
    { nickname, preferences }: Pick<Changeable, 'nickname' | 'preferences'>,
  ): Promise<void> {
    await tx.query(
      `UPDATE trading_accounts SET nickname = $2, preferences = $3, updated_at = $4 WHERE id = $1`,
      [accountId, nickname, JSON.stringify(preferences), this.clock.date()],
    );
  }
}

/** @throws not_found */
async function lock(tx: EntityManager, accountId: string): Promise<Changeable> {
  const [account] = await tx.query<Changeable[]>(
    `SELECT user_id AS "userId", nickname, preferences FROM trading_accounts
     WHERE id = $1 AND status <> 'unlinked' FOR UPDATE`,
    [accountId],
  );
  if (!account) throw notFound();
  return account;
}

/** @throws validation_failed */
function changed(account: Changeable, body: UpdateTradingAccountBody): Changeable {
  const preferences = mergePreferences(account.preferences, body.preferences ?? {});
  const problem = body.preferences && sizeProblem(preferences);
  if (problem)
    throw validationFailed({ fields: [{ field: 'preferences', message: `preferences ${problem}` }] });
  return {
    ...account,
    nickname: body.nickname === undefined ? account.nickname : body.nickname,
    preferences,
  };
}
