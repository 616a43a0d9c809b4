import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../../common/caller';
import { Events } from '../../infra/events/events';
import { StoredCredentials } from './credential-sets';
import {
  CREDENTIAL_NAMES,
  CredentialField,
  Credentials,
  CredentialsVault,
} from './credentials-vault.service';

/** The one way by which credentials leave the service: who got them is on record before they do. */
@Injectable()
export class AuditedCredentials {
  constructor(
    private readonly db: EntityManager,
    private readonly vault: CredentialsVault,
    private readonly events: Events,
  ) {}

  /** @throws unavailable, not_found, credentials_damaged: then nothing leaves, and no read is on record. */
  async open<F extends CredentialField>(
    caller: IdentifiedCaller,
    stored: StoredCredentials,
    { fields, reason }: { fields: readonly F[]; reason: string },
  ): Promise<Pick<Credentials, F>> {
    const opened = await this.vault.open(stored, { fields, caller });
    // One statement, and no transaction around it: committed when it has answered.
    await this.events.record(this.db, caller, {
      type: 'trading_account.credentials_read',
      subject: `user:${stored.userId}`,
      resource: `trading_account:${stored.accountId}`,
      data: {
        reason,
        fields: fields.filter((field) => opened[field] !== null).map((field) => CREDENTIAL_NAMES[field]),
      },
    });
    return opened;
  }
}
