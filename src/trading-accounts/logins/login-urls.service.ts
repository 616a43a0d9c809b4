import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { Brokers } from '../brokers/brokers.service';
import { AccessibleAccount } from '../trading-account';
import { CredentialSets } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';

/** Where owners log in at their broker. */
@Injectable()
export class LoginUrls {
  constructor(
    private readonly brokers: Brokers,
    private readonly sets: CredentialSets,
    private readonly vault: CredentialsVault,
  ) {}

  /**
   * Undefined for members, and where no login is needed; also while the API key cannot be read: an account is shown
   * without its URL rather than not at all.
   */
  async of({ id, broker, isOwner, status, hasStaged }: AccessibleAccount): Promise<string | undefined> {
    if (!isOwner || !(hasStaged || status === 'pending_login' || status === 'session_expired'))
      return undefined;
    try {
      const stored = await this.sets.find(id, hasStaged ? 'staged' : 'current');
      if (!stored) return undefined;
      const { apiKey } = await this.vault.open(stored, { fields: ['apiKey'] });
      return this.brokers.of(broker).loginUrl(apiKey, { trading_account_id: id });
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}
