import { Injectable } from '@nestjs/common';
import { Caller } from '../../common/caller';
import { AfterReply } from './after-reply.service';
import { BrokerLogins } from './broker-logins.service';
import { StoredCredentials } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';
import { DataKeys } from '../vault/data-keys';

/** An account that was unlinked. */
export interface Unlinked {
  accountId: string;
  broker: string;
  /** What was in force until then, as it rested: it is stored nowhere any more. */
  last: StoredCredentials | null;
}

/** The sessions of accounts that were unlinked: they end at their broker, and the keys leave the memory. */
@Injectable()
export class LastSessions {
  constructor(
    private readonly vault: CredentialsVault,
    private readonly keys: DataKeys,
    private readonly logins: BrokerLogins,
    private readonly afterReply: AfterReply,
  ) {}

  /** After the commit, as far as it is possible now; never throws. @returns whether it is over at the broker. */
  async end(caller: Caller, { accountId, broker, last }: Unlinked): Promise<boolean> {
    try {
      if (!last?.accessToken) return false;
      const { apiKey, accessToken } = await this.vault.openLast(last, {
        fields: ['apiKey', 'accessToken'],
        caller,
      });
      return accessToken !== null && (await this.logins.logOut({ broker, login: { apiKey, accessToken } }));
    } catch {
      // Whoever unlinks an account or deletes a user is not kept from it by what was stored, nor by the KMS.
      return false;
    } finally {
      this.keys.forget(accountId);
    }
  }

  /** As `end`, of any number, while nobody waits for it. */
  endLater(caller: Caller, accounts: readonly Unlinked[]): void {
    for (const account of accounts)
      this.afterReply.run(`the logout at ${account.broker}`, async () => {
        await this.end(caller, account);
      });
  }
}
