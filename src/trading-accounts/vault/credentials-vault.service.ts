import { Injectable } from '@nestjs/common';
import { Caller } from '../../common/caller';
import { unavailable } from '../../common/common.errors';
import { newId } from '../../common/ids';
import { open, seal } from '../../infra/kms/envelope';
import { IntegrityError } from '../../infra/kms/integrity-error';
import { CredentialDamage, CredentialPart } from './credential-damage.service';
import { SealedCredentials, StoredCredentials } from './credential-sets';
import { AccountKey, DataKeys } from './data-keys';
import { masked } from './masked';

export type { AccountKey } from './data-keys';

export interface Credentials {
  apiKey: string;
  apiSecret: string;
  /** Null: no login yet. */
  accessToken: string | null;
}

export type CredentialField = keyof Credentials;

/** As they are called where they are bound to their place, and in events. */
export const CREDENTIAL_NAMES = {
  apiKey: 'api_key',
  apiSecret: 'api_secret',
  accessToken: 'access_token',
} as const;
const ALL = Object.keys(CREDENTIAL_NAMES) as CredentialField[];
/** Rows that change while they are read: by a re-wrap, say. */
const MOST_READS = 3;

/**
 * Encrypts and decrypts credentials: each account has a data key of its own, under the master key. It asks the KMS, so
 * nobody calls it inside a transaction.
 */
@Injectable()
export class CredentialsVault {
  constructor(
    private readonly keys: DataKeys,
    private readonly damage: CredentialDamage,
  ) {}

  /** The key of a new account. @throws unavailable */
  async newKey(accountId: string, userId: string): Promise<AccountKey> {
    return this.keys.create(accountId, userId);
  }

  /** Encrypts a set, which gets an id of its own. @throws unavailable, credentials_damaged */
  async seal(key: AccountKey, { apiKey, apiSecret, accessToken }: Credentials): Promise<SealedCredentials> {
    const id = newId();
    const sealed = await this.withKey(key, (plain) => ({
      apiKey: sealText(plain, apiKey, place(key, id, 'apiKey')),
      apiSecret: sealText(plain, apiSecret, place(key, id, 'apiSecret')),
      accessToken: accessToken === null ? null : sealText(plain, accessToken, place(key, id, 'accessToken')),
    }));
    return { id, ...sealed, apiKeyMasked: masked(apiKey) };
  }

  /** Encrypts the session of a new login for a set that is there. @throws unavailable, credentials_damaged */
  async sealAccessToken(key: AccountKey, setId: string, accessToken: string): Promise<Buffer> {
    return this.withKey(key, (plain) => sealText(plain, accessToken, place(key, setId, 'accessToken')));
  }

  /**
   * @param options.fields those to decrypt; all of them unless told otherwise. Whoever needs no secret asks for none.
   * @param options.caller who asks, for the event of a damage.
   * @throws unavailable; not_found where the set is gone by now; credentials_damaged, which is recorded as
   * `trading_account.integrity_failed` and puts the account out of use (status `invalid`).
   */
  async open<F extends CredentialField = CredentialField>(
    stored: StoredCredentials,
    { fields = ALL as F[], caller }: { fields?: readonly F[]; caller?: Caller } = {},
  ): Promise<Pick<Credentials, F>> {
    let now = stored;
    for (let reads = 0; reads < MOST_READS; reads++) {
      try {
        return await this.keys.use(now, (plain) => openFields(plain, now, fields));
      } catch (error) {
        // It may have been replaced between the read and the key.
        now = await this.damage.confirm(now, partOf(error), caller);
      }
    }
    throw unavailable({ retryAfter: 1 });
  }

  /**
   * As `open`, of an account that has just been unlinked: what was read while it was locked cannot be compared with
   * anything any more, so a damage is recorded as it is.
   * @throws unavailable, credentials_damaged
   */
  async openLast<F extends CredentialField>(
    last: StoredCredentials,
    { fields, caller }: { fields: readonly F[]; caller: Caller },
  ): Promise<Pick<Credentials, F>> {
    try {
      return await this.keys.use(last, (plain) => openFields(plain, last, fields));
    } catch (error) {
      return this.damage.recordLast(last, partOf(error), caller);
    }
  }

  private async withKey<T>(key: AccountKey, work: (plain: Uint8Array) => T): Promise<T> {
    let now = key;
    for (let reads = 0; reads < MOST_READS; reads++) {
      try {
        return await this.keys.use(now, work);
      } catch (error) {
        now = await this.damage.confirmKey(now, partOf(error));
      }
    }
    throw unavailable({ retryAfter: 1 });
  }
}

class FieldDamaged extends IntegrityError {
  constructor(readonly part: CredentialPart) {
    super(`the ${part}`);
  }
}

/** @throws any error that is not about integrity. */
function partOf(error: unknown): CredentialPart {
  if (!(error instanceof IntegrityError)) throw error;
  return error instanceof FieldDamaged ? error.part : 'data_key';
}

function openFields<F extends CredentialField>(
  plain: Uint8Array,
  stored: StoredCredentials,
  fields: readonly F[],
): Pick<Credentials, F> {
  const opened: Partial<Record<CredentialField, string | null>> = {};
  for (const field of fields) {
    const sealed = stored[field];
    try {
      opened[field] = sealed && openText(plain, sealed, place(stored, stored.id, field));
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      throw new FieldDamaged(CREDENTIAL_NAMES[field]);
    }
  }
  return opened as Pick<Credentials, F>;
}

/** Where a field belongs, its owner first: who can write to the database hands no account to somebody else. */
const place = ({ userId, accountId }: AccountKey, setId: string, field: CredentialField): string =>
  `${userId}:${accountId}:${setId}:${CREDENTIAL_NAMES[field]}`;

function sealText(dataKey: Uint8Array, text: string, where: string): Buffer {
  const plain = Buffer.from(text);
  try {
    return seal(dataKey, plain, where);
  } finally {
    plain.fill(0);
  }
}

function openText(dataKey: Uint8Array, sealed: Buffer, where: string): string {
  const plain = open(dataKey, sealed, where);
  try {
    return plain.toString();
  } finally {
    plain.fill(0);
  }
}
