import { accountDeactivated, accountSuspended } from '../identities/identities.errors';
import { User } from '../identities/user.entity';
import { emailNotUsable } from './oauth.errors';

/**
 * Whether an account may be opened with Google.
 * @throws account_suspended, account_deactivated; email_not_usable where it is a service's.
 */
export function requireOpen({ kind, status }: User): void {
  if (kind !== 'person') throw emailNotUsable();
  if (status === 'suspended') throw accountSuspended();
  if (status === 'deactivated') throw accountDeactivated();
}
