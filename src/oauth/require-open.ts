import { accountDeactivated, accountSuspended } from '../identities/identities.errors';
import { User } from '../identities/user.entity';
import { AccountRefused } from './account-refused';
import { emailNotUsable } from './oauth.errors';

/**
 * Whether an account may be opened with Google.
 * @throws AccountRefused with account_suspended or account_deactivated; email_not_usable where it is a service's.
 */
export function requireOpen(user: User): void {
  if (user.kind !== 'person') throw emailNotUsable();
  if (user.status === 'suspended') throw new AccountRefused(user, accountSuspended());
  if (user.status === 'deactivated') throw new AccountRefused(user, accountDeactivated());
}
