import { CryptoKey, importPKCS8 } from 'jose';
import { createSecretKey, KeyObject } from 'node:crypto';
import { operatorMessage } from '../common/operator-message';
import { Config } from '../config/config';
import { IntegrityError } from '../infra/kms/integrity-error';
import { Kms } from '../infra/kms/kms';
import { SigningKey, signingKeyContext } from './signing-key.entity';

export type KeySecret = CryptoKey | KeyObject;

/** @throws Error that says which key, under which master key, is damaged or could not be asked for. */
export async function unwrapKey(row: SigningKey, kms: Kms, config: Config): Promise<KeySecret> {
  const secret = await kms.unwrap(row.wrappedSecret, signingKeyContext(row.kid)).catch((cause: unknown) => {
    throw unreadable(row, kms, config, cause);
  });
  try {
    return row.alg === 'HS256'
      ? createSecretKey(secret)
      : await importPKCS8(secret.toString('utf8'), 'RS256');
  } finally {
    secret.fill(0);
  }
}

function unreadable({ kid }: SigningKey, { provider }: Kms, config: Config, cause: unknown): Error {
  const masterKey = provider === 'local' ? config.LOCAL_KMS_KEY_PATH : config.KMS_MASTER_KEY_ID;
  const problem =
    cause instanceof IntegrityError
      ? 'is not what was wrapped, or the master key was replaced'
      : `could not be asked for: ${operatorMessage(cause)}`;
  return new Error(`signing key ${kid}, under the master key ${masterKey} (${provider}), ${problem}`, {
    cause,
  });
}
