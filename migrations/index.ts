import { Accounts1700000000001 } from './0001-accounts';
import { Roles1700000000002 } from './0002-roles';
import { SigningKeys1700000000003 } from './0003-signing-keys';
import { Events1700000000004 } from './0004-events';
import { MailOutbox1700000000005 } from './0005-mail-outbox';
import { SecondFactor1700000000006 } from './0006-second-factor';
import { Grants1700000000007 } from './0007-grants';
import { AccountAdministration1700000000008 } from './0008-account-administration';
import { AuthProviders1700000000009 } from './0009-auth-providers';
import { ApiKeys1700000000010 } from './0010-api-keys';
import { TradingAccounts1700000000011 } from './0011-trading-accounts';
import { AuditChain1700000000012 } from './0012-audit-chain';
import { ExportsAndWebhooks1700000000013 } from './0013-exports-and-webhooks';

/** Every step, oldest first. A step that has been released never changes. */
export const migrations = [
  Accounts1700000000001,
  Roles1700000000002,
  SigningKeys1700000000003,
  Events1700000000004,
  MailOutbox1700000000005,
  SecondFactor1700000000006,
  Grants1700000000007,
  AccountAdministration1700000000008,
  AuthProviders1700000000009,
  ApiKeys1700000000010,
  TradingAccounts1700000000011,
  AuditChain1700000000012,
  ExportsAndWebhooks1700000000013,
];
