import { EntityManager } from 'typeorm';
import { emailNotVerified } from '../identities/identities.errors';

/** Whoever holds one of them has other people's accounts in hand. */
const OVER_OTHERS = ['user:write', 'authz:grant'];

/**
 * Passes where what is given lifts nobody over others, or goes to a proved address: anybody can sign up with an address
 * that is not theirs, and wait for its owner to be promoted. A service has none to prove.
 * @param tx of the change, with the user's row locked.
 * @throws email_not_verified
 */
export async function requireProvedAddress(
  tx: EntityManager,
  userId: string,
  given: readonly string[],
): Promise<void> {
  if (!given.some((permission) => OVER_OTHERS.includes(permission))) return;
  const proved = await tx.query<unknown[]>(
    `SELECT FROM users WHERE id = $1 AND (kind <> 'person' OR email_verified_at IS NOT NULL)`,
    [userId],
  );
  if (proved.length > 0) return;
  throw emailNotVerified({ message: 'The e-mail address of this account is not verified yet.' });
}
