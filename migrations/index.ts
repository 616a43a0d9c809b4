import { Accounts1700000000001 } from './0001-accounts';
import { Roles1700000000002 } from './0002-roles';
import { SigningKeys1700000000003 } from './0003-signing-keys';
import { Events1700000000004 } from './0004-events';
import { MailOutbox1700000000005 } from './0005-mail-outbox';

/** Every step, oldest first. A step that has been released never changes. */
export const migrations = [
  Accounts1700000000001,
  Roles1700000000002,
  SigningKeys1700000000003,
  Events1700000000004,
  MailOutbox1700000000005,
];
