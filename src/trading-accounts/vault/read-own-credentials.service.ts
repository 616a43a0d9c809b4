import { Injectable } from '@nestjs/common';
import { requirePermission } from '../../authz/require-permission';
import { AppError } from '../../common/app-error';
import { AuthenticatedCaller } from '../../common/caller';
import { notAuthenticated, notFound } from '../../common/common.errors';
import { PageQuery } from '../../common/pagination';
import { Identities } from '../../identities/identities.service';
import { Limits } from '../../infra/limits/limits';
import { Presence } from '../../mfa/presence.service';
import { AccountAccess } from '../account-access.service';
import { accountItem } from '../account-view';
import { ListedTradingAccount, TradingAccountList } from '../reading/reading.dto';
import { TradingAccount } from '../trading-account';
import { credentialsDamaged, secondFactorRequired } from '../trading-accounts.errors';
import { AuditedCredentials } from './audited-credentials.service';
import { CredentialSets } from './credential-sets';

const READS = { name: 'own-credentials', points: 10, seconds: 3600 };
/** Of one account, which is shown without them. */
const OF_ONE_ACCOUNT = new Set([credentialsDamaged.code, notFound.code]);

/** Shows owners their secrets at brokers: a session that somebody has stolen is not enough, nor is a password. */
@Injectable()
export class ReadOwnCredentials {
  constructor(
    private readonly identities: Identities,
    private readonly limits: Limits,
    private readonly presence: Presence,
    private readonly access: AccountAccess,
    private readonly sets: CredentialSets,
    private readonly credentials: AuditedCredentials,
  ) {}

  /** @throws permission_denied, second_factor_required, rate_limited, verification_required, unavailable */
  async list(
    caller: AuthenticatedCaller,
    { limit, offset }: PageQuery,
    verificationToken?: string,
  ): Promise<TradingAccountList> {
    requirePermission(caller, 'trading_account:view');
    const user = await this.identities.findById(caller.userId);
    if (!user) throw notAuthenticated();
    if (!user.mfaEnabled) throw secondFactorRequired();
    await this.limits.consume([READS, caller.userId]);
    await this.presence.require(caller, { verificationToken });
    const { accounts, total } = await this.access.list(caller.userId, { limit, offset, ownedOnly: true });
    const items: ListedTradingAccount[] = [];
    for (const account of accounts)
      items.push({ ...accountItem(account), ...(await this.secretsOf(caller, account)) });
    return { items, total, limit, offset, has_more: offset + accounts.length < total };
  }

  private async secretsOf(
    caller: AuthenticatedCaller,
    { id }: TradingAccount,
  ): Promise<Pick<ListedTradingAccount, 'credentials' | 'credentials_error'>> {
    try {
      // Before the first login those that wait for it.
      const stored = (await this.sets.find(id, 'current')) ?? (await this.sets.find(id, 'staged'));
      if (!stored) throw notFound();
      const { apiKey, apiSecret, accessToken } = await this.credentials.open(caller, stored, {
        fields: ['apiKey', 'apiSecret', 'accessToken'],
        reason: 'owner',
      });
      return { credentials: { api_key: apiKey, api_secret: apiSecret, access_token: accessToken } };
    } catch (error) {
      if (!(error instanceof AppError) || !OF_ONE_ACCOUNT.has(error.code)) throw error;
      return { credentials: null, credentials_error: error.code };
    }
  }
}
