import { z } from 'zod';
import { event, id, text, time } from './event-schema';

const broker = text('kite');
const brokerUserId = text('AB1234');

/** Of trading accounts, their credentials and their members. The account is the event's `resource`. */
export const tradingAccountEvents = {
  'trading_account.linked': event(
    'A trading account was linked, and its first login succeeded.',
    { broker, broker_user_id: brokerUserId },
    ['broker_user_id'],
  ),
  'trading_account.unlinked': event(
    'A trading account is nobody’s here any more; its credentials are destroyed.',
    {
      broker,
      reason: z.enum(['unlinked', 'account_deleted']),
    },
  ),
  'trading_account.credentials_updated': event(
    '`staged`: new credentials wait for their proof; `rotated`: they are in force; `session`: a new login at the broker.',
    { credentials: z.enum(['staged', 'rotated', 'session']) },
  ),
  'trading_account.updated': event('What the owner calls it, or prefers, was changed.', {
    fields: z.array(z.enum(['nickname', 'preferences'])),
  }),
  'trading_account.verified': event('The broker took the credentials.', { broker_user_id: brokerUserId }, [
    'broker_user_id',
  ]),
  'trading_account.session_expired': event(
    'The login at the broker is over. `expired`: its time was; `refused`: the broker said so; `replaced`: another took its place.',
    { reason: z.enum(['expired', 'refused', 'replaced']) },
  ),
  'trading_account.integrity_failed': event(
    'Stored credentials are not what was stored: somebody changed the database, or its backup.',
    { part: z.enum(['data_key', 'api_key', 'api_secret', 'access_token']) },
  ),
  'trading_account.credentials_read': event(
    'Somebody, or a service, was given credentials.',
    { reason: text('placing an order'), fields: z.array(text('access_token')) },
    ['reason'],
  ),
  'trading_account.member_added': event('The owner, or a member, shares the account with `user_id`.', {
    membership_id: id,
    user_id: id,
    permissions: z.array(text('view')),
    expires_at: time.nullable(),
  }),
  'trading_account.member_removed': event(
    '`user_id` has no part in the account any more. `inviter_removed`: whoever gave it lost theirs.',
    {
      membership_id: id,
      user_id: id,
      reason: z.enum(['removed', 'left', 'inviter_removed', 'unlinked', 'account_deleted']),
    },
  ),
};
