import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../../authz/require-permission';
import { AppError } from '../../common/app-error';
import { AuthenticatedCaller } from '../../common/caller';
import { notAuthenticated, notFound } from '../../common/common.errors';
import { pageOf, PageQuery } from '../../common/pagination';
import { Identities } from '../../identities/identities.service';
import { Limits } from '../../infra/limits/limits';
import { Presence } from '../../mfa/presence.service';
import { AccountAccess } from '../account-access.service';
import { accountItem } from '../account-view';
import { ListedTradingAccount, TradingAccountList } from '../reading/reading.dto';
import { secondFactorRequired } from '../trading-accounts.errors';
import { AuditedCredentials } from './audited-credentials.service';
import { STORED_COLUMNS, StoredCredentials } from './credential-sets';
import { Credentials } from './credentials-vault.service';

const READS = { name: 'own-credentials', points: 10, seconds: 3600 };

/** Those in force; before the first login those that wait for it. */
const STORED = `
  SELECT DISTINCT ON (account.id) ${STORED_COLUMNS}
  FROM trading_accounts account JOIN trading_credentials credentials ON trading_account_id = account.id
  WHERE account.id = ANY($1) AND account.status <> 'unlinked'
  ORDER BY account.id, credentials.state = 'current' DESC`;

/** Shows owners their secrets at brokers: a session that somebody has stolen is not enough, nor is a password. */
@Injectable()
export class ReadOwnCredentials {
  constructor(
    private readonly db: EntityManager,
    private readonly identities: Identities,
    private readonly limits: Limits,
    private readonly presence: Presence,
    private readonly access: AccountAccess,
    private readonly credentials: AuditedCredentials,
  ) {}

  /** @throws permission_denied, second_factor_required, rate_limited, verification_required, unavailable */
  async list(
    caller: AuthenticatedCaller,
    page: PageQuery,
    verificationToken?: string,
  ): Promise<TradingAccountList> {
    requirePermission(caller, 'trading_account:view');
    const user = await this.identities.findById(caller.userId);
    if (!user) throw notAuthenticated();
    if (!user.mfaEnabled) throw secondFactorRequired();
    await this.limits.consume([READS, caller.userId]);
    await this.presence.require(caller, { verificationToken });
    const { accounts, total } = await this.access.list(caller.userId, { ...page, ownedOnly: true });
    const stored = await this.db.query<StoredCredentials[]>(STORED, [accounts.map(({ id }) => id)]);
    const opened = await this.credentials.openAll(caller, stored, {
      fields: ['apiKey', 'apiSecret', 'accessToken'],
      reason: 'owner',
    });
    const items = accounts.map((account) => ({
      ...accountItem(account),
      ...shown(opened.get(account.id) ?? notFound()),
    }));
    return pageOf(items, total, page);
  }
}

function shown(
  opened: Credentials | AppError,
): Pick<ListedTradingAccount, 'credentials' | 'credentials_error'> {
  if (opened instanceof AppError) return { credentials: null, credentials_error: opened.code };
  const { apiKey, apiSecret, accessToken } = opened;
  return { credentials: { api_key: apiKey, api_secret: apiSecret, access_token: accessToken } };
}
