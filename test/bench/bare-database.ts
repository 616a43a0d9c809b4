/** The least that a read of credentials could be: their rows by primary key; with `isRecorded` one committed insert too. */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { answerJobs } from './child';

export interface DatabaseJob {
  databaseUrl: string;
  /** One connection for each: it reads this account again and again. */
  accountIds: string[];
  isRecorded: boolean;
  seconds: number;
}

export interface DatabaseResult {
  perSecond: number;
  /** Milliseconds. */
  p50: number;
}

const READ = {
  name: 'read',
  text: `SELECT account.id, account.user_id, account.wrapped_data_key, credentials.api_key, credentials.access_token
         FROM trading_accounts account JOIN trading_credentials credentials
           ON credentials.trading_account_id = account.id AND credentials.state = 'current'
         WHERE account.id = $1`,
};
const RECORD = {
  name: 'record',
  text: `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata)
         VALUES ($1, 'trading_account.credentials_read', now(), 'bench', 'high', $2, 'bench', $2, $3, $3)`,
};

answerJobs<DatabaseJob, DatabaseResult>(async ({ databaseUrl, accountIds, isRecorded, seconds }) => {
  const clients = await Promise.all(
    accountIds.map(async () => {
      const client = new Client(databaseUrl);
      await client.connect();
      return client;
    }),
  );
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    clients.map(async (client, i) => {
      while (performance.now() < end) {
        const began = performance.now();
        const { rows } = await client.query({ ...READ, values: [accountIds[i]] });
        if (rows.length !== 1) throw new Error('there is no such account');
        if (isRecorded) {
          const data = JSON.stringify({ reason: 'place order', fields: ['api_key', 'access_token'] });
          await client.query({ ...RECORD, values: [randomUUID(), `trading_account:${accountIds[i]}`, data] });
        }
        times.push(performance.now() - began);
      }
    }),
  );
  await Promise.all(clients.map((client) => client.end()));
  times.sort((a, b) => a - b);
  return { perSecond: times.length / seconds, p50: times[times.length >> 1] ?? NaN };
});
