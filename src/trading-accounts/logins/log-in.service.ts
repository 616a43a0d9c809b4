import { Injectable } from '@nestjs/common';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { AccountAccess } from '../account-access.service';
import { BrokerLogins } from './broker-logins.service';
import { CompleteLogin } from './complete-login.service';
import { SessionBody } from '../links/links.dto';
import { noStagedCredentials } from '../trading-accounts.errors';
import { Turns } from './turns.service';
import { CredentialSets, CredentialState, StoredCredentials } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';

/**
 * The login of an owner at the broker: the daily one, and the one that finishes a link or a rotation. Which it is follows
 * from the credentials that it uses.
 */
@Injectable()
export class LogIn {
  constructor(
    private readonly access: AccountAccess,
    private readonly logins: BrokerLogins,
    private readonly turns: Turns,
    private readonly sets: CredentialSets,
    private readonly vault: CredentialsVault,
    private readonly completeLogin: CompleteLogin,
  ) {}

  /**
   * @throws permission_denied, rate_limited, not_found, owner_required, no_staged_credentials, broker_call_in_progress,
   * broker_user_mismatch, trading_account_exists, broker_refused, broker_unavailable, broker_bad_answer,
   * credentials_damaged, unavailable
   */
  async run(caller: AuthenticatedCaller, accountId: string, body: SessionBody): Promise<void> {
    requirePermission(caller, 'trading_account:link');
    await this.logins.count(caller);
    await this.access.requireOwner(caller, accountId);
    await this.turns.during(accountId, async (turn) => {
      const stored = await this.choose(accountId, body.use ?? undefined);
      const app = await this.vault.open(stored, { fields: ['apiKey', 'apiSecret'], caller });
      await this.completeLogin.run(caller, turn, {
        app,
        token: { requestToken: body.request_token },
        setId: stored.id,
      });
    });
  }

  /** What waits comes first: whoever has staged credentials is sent to the login of those. */
  private async choose(accountId: string, wanted: CredentialState | undefined): Promise<StoredCredentials> {
    const staged = wanted === 'current' ? null : await this.sets.find(accountId, 'staged');
    if (wanted === 'staged' && !staged) throw noStagedCredentials();
    const stored = staged ?? (await this.sets.find(accountId, 'current'));
    if (stored) return stored;
    throw noStagedCredentials({
      message: 'No credentials are in force yet: the first login uses those that wait.',
    });
  }
}
