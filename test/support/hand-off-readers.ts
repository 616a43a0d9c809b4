import { copyFileSync, rmSync } from 'node:fs';
import { LocalKms } from '../../src/infra/kms/local-kms';
import { unpackWrapped } from '../../src/infra/kms/wrapped-secret';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { TestService } from './app';
import { newAdministrator, newSignedIn } from './people';
import { newKey, newServiceAccount, withKey } from './services';
import { storeAccount } from './trading-accounts';
import { wrappedOf } from './wrapped-rows';

const PERMISSION = 'trading_credentials:read';

export interface HandOffReads {
  handOffs: number;
  /** Of a secret under a newer master key, by an instance whose copy of the file has that key as a staged one. */
  handOffsWithTheCopy: number;
}

export interface HandOffReaders {
  readonly reads: HandOffReads;
  /** Each gets the credentials of some account once. @throws Error where it is not given them, or others. */
  readonly readers: (() => Promise<void>)[];
  /** Takes the accounts away. */
  stop(): Promise<void>;
}

/**
 * Four services that ask for credentials of accounts: two of them the service itself, and two an instance of another
 * machine. That one has a copy of the key file from after `kms rotate --prepare`, which nobody replaces later.
 */
export async function startHandOffs(service: TestService, keyFile: string): Promise<HandOffReaders> {
  const version = await (await LocalKms.fromFile(keyFile)).stage();
  const copy = `${keyFile}.copy`;
  copyFileSync(keyFile, copy);
  const elsewhere = await service.another({ LOCAL_KMS_KEY_PATH: copy });
  const administrator = await newAdministrator(service);
  const { userId } = await newSignedIn(service);
  const accounts = await Promise.all(Array.from({ length: 8 }, () => storeAccount(service, userId)));
  const reads: HandOffReads = { handOffs: 0, handOffsWithTheCopy: 0 };

  const newReader = async (instance: TestService): Promise<() => Promise<void>> => {
    const router = await newServiceAccount(service, PERMISSION);
    const { apiKey } = await newKey(service, administrator, router, [PERMISSION]);
    return async () => {
      const { accountId, credentials } = accounts[Math.floor(Math.random() * accounts.length)]!;
      const wrapped = await wrappedOf(service, { kind: 'trading_accounts', id: accountId });
      // It would not ask for a key that it has.
      instance.app.get(DataKeys).forget(accountId);
      const path = `/v1/internal/trading-accounts/${accountId}/credentials`;
      const { status, body } = await withKey(instance.client().post(path, { reason: 'place order' }), apiKey);
      if (status !== 200) throw new Error(`a hand-off answered ${status} ${body.code}`);
      if (body.api_key !== credentials.apiKey || body.access_token !== credentials.accessToken)
        throw new Error(`the credentials of ${accountId} are others`);
      reads.handOffs++;
      if (instance === elsewhere && unpackWrapped(wrapped).version === version) reads.handOffsWithTheCopy++;
    };
  };
  const instances = [service, service, elsewhere, elsewhere];
  return {
    reads,
    readers: await Promise.all(instances.map(newReader)),
    stop: async () => {
      await elsewhere.stop();
      rmSync(copy);
      const ids = accounts.map(({ accountId }) => accountId);
      await service.db.query(`DELETE FROM trading_credentials WHERE trading_account_id = ANY($1)`, [ids]);
      await service.db.query(`DELETE FROM trading_accounts WHERE id = ANY($1)`, [ids]);
    },
  };
}
