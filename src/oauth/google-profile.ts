import { emailNotVerified } from '../identities/identities.errors';
import { displayName } from './display-name';
import { GoogleIdentity } from './google-identity';
import { emailNotUsable } from './oauth.errors';

/** What an account is made of. */
export interface GoogleProfile {
  subject: string;
  /** In normal form; proved. */
  email: string;
  /** By the rules of `IsName`. */
  name: string;
}

/** @throws email_not_verified */
export function requireVerified({ emailVerified }: GoogleIdentity): void {
  if (!emailVerified)
    throw emailNotVerified({ message: 'Verify the e-mail address of your Google account first.' });
}

/** @throws email_not_usable */
export function profileOf({ subject, email, name }: GoogleIdentity): GoogleProfile {
  if (email === null) throw emailNotUsable();
  return { subject, email, name: displayName(name, email) };
}
