import { NewEvent } from '../../infra/events/events';

/** Credentials wait for the login that proves them. */
export const credentialsStaged = ({
  accountId,
  userId,
}: {
  accountId: string;
  userId: string;
}): NewEvent<'trading_account.credentials_updated'> => ({
  type: 'trading_account.credentials_updated',
  subject: `user:${userId}`,
  resource: `trading_account:${accountId}`,
  data: { credentials: 'staged' },
});
