import { Injectable } from '@nestjs/common';
import { OpenSession } from './broker-logins.service';
import { StoredCredentials } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';
import { DataKeys } from '../vault/data-keys';

/** The sessions of accounts that are to end at their broker. */
@Injectable()
export class OpenSessions {
  constructor(
    private readonly vault: CredentialsVault,
    private readonly keys: DataKeys,
  ) {}

  /** Null where there is none, or it cannot be read now; never throws. It need not be stored any more. */
  async open(broker: string, stored: StoredCredentials): Promise<OpenSession | null> {
    try {
      const { apiKey, accessToken } = await this.vault.open(stored, { fields: ['apiKey', 'accessToken'] });
      return accessToken === null ? null : { broker, login: { apiKey, accessToken } };
    } catch {
      // Whoever unlinks an account or deletes a user is not kept from it by what was stored.
      return null;
    }
  }

  /** The key of an account that is no more leaves the memory. */
  forget(accountId: string): void {
    this.keys.forget(accountId);
  }
}
