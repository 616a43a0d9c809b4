import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { Brokers } from '../brokers/brokers.service';
import { AccessibleAccount } from '../trading-account';
import { CredentialSets, CredentialState } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';

/** As in the API, for the owner of an account. */
export interface AccountLoginUrls {
  /** While the account is not active: of the credentials in force, or of those that it is being linked with. */
  login_url?: string;
  /** While others wait to take their place. */
  rotation_login_url?: string;
}

/** Where owners log in at their broker. */
@Injectable()
export class LoginUrls {
  constructor(
    private readonly brokers: Brokers,
    private readonly sets: CredentialSets,
    private readonly vault: CredentialsVault,
  ) {}

  /**
   * None for members. One whose API key cannot be read is left out: an account is shown without its URL rather than not
   * at all.
   */
  async of(account: AccessibleAccount): Promise<AccountLoginUrls> {
    if (!account.isOwner) return {};
    const isProved = account.brokerUserId !== null;
    const needsLogin = account.status !== 'active';
    const login = needsLogin ? await this.url(account, isProved ? 'current' : 'staged') : undefined;
    const rotation = isProved && account.hasStaged ? await this.url(account, 'staged') : undefined;
    return {
      ...(login !== undefined && { login_url: login }),
      ...(rotation !== undefined && { rotation_login_url: rotation }),
    };
  }

  private async url(
    { id, broker, hasStaged }: AccessibleAccount,
    state: CredentialState,
  ): Promise<string | undefined> {
    try {
      const stored = await this.sets.find(id, state);
      if (!stored) return undefined;
      const { apiKey } = await this.vault.open(stored, { fields: ['apiKey'] });
      const returned: Record<string, string> = { trading_account_id: id };
      // Where nothing is said of it, a login is one with the credentials that wait.
      if (state === 'current' && hasStaged) returned.use = state;
      return this.brokers.of(broker).loginUrl(apiKey, returned);
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}
