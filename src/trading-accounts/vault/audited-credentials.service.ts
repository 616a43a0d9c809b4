import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AppError } from '../../common/app-error';
import { IdentifiedCaller } from '../../common/caller';
import { notFound, unavailable } from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import { LateError } from '../../infra/deadline';
import { Events } from '../../infra/events/events';
import { fewAtOnce } from '../../infra/few-at-once';
import { credentialsDamaged } from '../trading-accounts.errors';
import { StoredCredentials } from './credential-sets';
import {
  CREDENTIAL_NAMES,
  CredentialField,
  Credentials,
  CredentialsVault,
} from './credentials-vault.service';

/** Enough to hide the way to a KMS, few enough to leave its rate to others. */
const AT_ONCE = 8;
/** Of one account alone: the others are no worse for it. */
const OF_ONE_ACCOUNT = new Set([credentialsDamaged.code, notFound.code]);

interface Wish<F extends CredentialField> {
  fields: readonly F[];
  reason: string;
}

type Opened<F extends CredentialField> = Pick<Credentials, F>;

/** The one way by which credentials leave the service: who got them is on record before they do. */
@Injectable()
export class AuditedCredentials {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: EntityManager,
    private readonly vault: CredentialsVault,
    private readonly events: Events,
  ) {}

  /** @throws unavailable, not_found, credentials_damaged: then nothing leaves, and no read is on record. */
  async open<F extends CredentialField>(
    caller: IdentifiedCaller,
    stored: StoredCredentials,
    wish: Wish<F>,
  ): Promise<Opened<F>> {
    const opened = await this.vault.open(stored, { fields: wish.fields, caller });
    // One statement, and no transaction around it: committed when it has answered.
    await this.record(this.db, caller, { stored, opened, ...wish });
    return opened;
  }

  /**
   * Those of several accounts, within twice the time that the KMS may take for one.
   * @returns by account id what opened, or why it did not: not_found, credentials_damaged.
   * @throws unavailable: then nothing leaves, and no read of any of them is on record.
   */
  async openAll<F extends CredentialField>(
    caller: IdentifiedCaller,
    all: readonly StoredCredentials[],
    wish: Wish<F>,
  ): Promise<Map<string, Opened<F> | AppError>> {
    const milliseconds = 2 * this.config.KMS_TIMEOUT_MS;
    const end = performance.now() + milliseconds;
    const limits = { atOnce: AT_ONCE, milliseconds, what: 'the credentials of several accounts' };
    const results = await fewAtOnce(all, limits, async (stored) => ({
      stored,
      opened: await this.vault.open(stored, { fields: wish.fields, caller }).catch(ofOneAccount),
    })).catch((error: unknown) => {
      throw error instanceof LateError ? unavailable({ cause: error }) : error;
    });
    await this.db.transaction(async (tx) => {
      for (const { stored, opened } of results) {
        if (performance.now() >= end) throw unavailable();
        if (!(opened instanceof AppError)) await this.record(tx, caller, { stored, opened, ...wish });
      }
    });
    return new Map(results.map(({ stored, opened }) => [stored.accountId, opened]));
  }

  private async record<F extends CredentialField>(
    tx: EntityManager,
    caller: IdentifiedCaller,
    { stored, opened, fields, reason }: Wish<F> & { stored: StoredCredentials; opened: Opened<F> },
  ): Promise<void> {
    await this.events.record(tx, caller, {
      type: 'trading_account.credentials_read',
      subject: `user:${stored.userId}`,
      resource: `trading_account:${stored.accountId}`,
      data: {
        reason,
        fields: fields.filter((field) => opened[field] !== null).map((field) => CREDENTIAL_NAMES[field]),
      },
    });
  }
}

/** @throws any other error. */
function ofOneAccount(error: unknown): AppError {
  if (error instanceof AppError && OF_ONE_ACCOUNT.has(error.code)) return error;
  throw error;
}
