import { defineError } from '../common/app-error';

export const ownerRequired = defineError(
  'owner_required',
  'forbidden',
  'Only the owner of the trading account can do this.',
);
export const accountPermissionDenied = defineError(
  'account_permission_denied',
  'forbidden',
  'What is shared with you does not allow this.',
);
export const tradingAccountExists = defineError(
  'trading_account_exists',
  'conflict',
  'You have linked this account already: `trading_account_id` says which it is.',
  { trading_account_id: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10' },
);
export const tradingAccountNotLinked = defineError(
  'trading_account_not_linked',
  'conflict',
  'This account waits for its first login: it can be shared when it is linked.',
);
export const brokerUserMismatch = defineError(
  'broker_user_mismatch',
  'conflict',
  'This login belongs to another user of the broker than the one that is linked.',
);
export const brokerCallInProgress = defineError(
  'broker_call_in_progress',
  'conflict',
  'Another login or rotation of this account is under way. Try again in a few seconds.',
);
export const noStagedCredentials = defineError(
  'no_staged_credentials',
  'conflict',
  'No new credentials wait for a login.',
);
export const tooManyTradingAccounts = defineError(
  'too_many_trading_accounts',
  'conflict',
  'You have as many trading accounts as one can have: unlink one first.',
);
export const idempotencyKeyReused = defineError(
  'idempotency_key_reused',
  'conflict',
  'This Idempotency-Key was used with another body.',
);
export const brokerRefused = defineError(
  'broker_refused',
  'invalid',
  'The broker does not accept this: the API key, its secret or the login is wrong, used or too old.',
);
export const brokerUnavailable = defineError(
  'broker_unavailable',
  'unavailable',
  'The broker cannot answer right now. Nothing was changed; try again soon.',
);
export const brokerBadAnswer = defineError(
  'broker_bad_answer',
  'bad_answer',
  'The broker answered what cannot be understood. Nothing was changed.',
);
export const noBrokerSession = defineError(
  'no_broker_session',
  'conflict',
  'The account has no session at the broker now: its owner has to log in.',
);
export const credentialsDamaged = defineError(
  'credentials_damaged',
  'conflict',
  'The stored credentials cannot be trusted any more. Log in again or rotate them; where that is refused too, unlink the account and link it again.',
);
export const secondFactorRequired = defineError(
  'second_factor_required',
  'forbidden',
  'Turn your second factor on first.',
);
export const apiKeyRequired = defineError(
  'api_key_required',
  'forbidden',
  'This is for services with an API key, and never for a browser.',
);
export const memberNotFound = defineError(
  'member_not_found',
  'not_found',
  'Nobody with this address can be given access: it takes an open account with a verified address.',
);
export const alreadyMember = defineError(
  'already_member',
  'conflict',
  'This account is shared with them already: `membership_id` says how. Remove that first to change it.',
  { membership_id: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10' },
);
export const alreadyOwner = defineError('already_owner', 'conflict', 'This person owns the account.');
export const tooManyMembers = defineError(
  'too_many_members',
  'conflict',
  'This account is shared with as many people as one can be: remove somebody first.',
);
