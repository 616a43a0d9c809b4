/** Many people at once: their accounts are written to the table, their sign-ins are real. */
import { hashSync } from 'bcrypt';
import { Client } from 'pg';
import { Member, PASSWORD } from './bench-service';
import { Child } from './child';
import { Lane, LoadJob, LoadResult } from './load';

/** What these accounts' passwords are hashed at: at 12 ten thousand sign-ins would take a quarter of an hour. */
export const LOW_COST = 4;

const CLIENTS = 8;

interface TokenReply {
  access_token: string;
  refresh_token: string;
  user: { user_id: string };
}

const emailOf = (n: number): string => `person-${n}@example.org`;

/** @param databaseUrl migrated. */
export async function insertPeople(databaseUrl: string, count: number): Promise<void> {
  const db = new Client(databaseUrl);
  await db.connect();
  try {
    const idOf = `overlay(overlay(md5('person' || n) PLACING '7' FROM 13) PLACING '8' FROM 17)::uuid`;
    await db.query(
      `INSERT INTO users (id, email, email_verified_at, name, timezone, locale, status, password_hash, created_at, updated_at)
       SELECT ${idOf}, 'person-' || n || '@example.org', now(), 'Asha Rao', 'UTC', 'en-US', 'active', $2, now(), now()
       FROM generate_series(0, $1::int - 1) AS n`,
      [count, hashSync(PASSWORD, LOW_COST)],
    );
    await db.query(
      `INSERT INTO user_roles (user_id, role) SELECT ${idOf}, 'trader' FROM generate_series(0, $1::int - 1) AS n`,
      [count],
    );
    await db.query('ANALYZE users, user_roles');
  } finally {
    await db.end();
  }
}

/** Signs so many of them in. @param first number of the first. */
export async function signInPeople(
  load: Child<LoadJob, LoadResult>,
  url: string,
  first: number,
  count: number,
): Promise<Member[]> {
  const lanes = Array.from({ length: count }, (_, i): Lane => ({
    method: 'POST',
    path: '/v1/auth/login',
    body: { email: emailOf(first + i), password: PASSWORD, token_delivery: 'body' },
  }));
  const { replies } = await load.run({ url, lanes, seconds: 0, clients: CLIENTS, once: true });
  return (replies as unknown as TokenReply[]).map((reply, i) => ({
    userId: reply.user.user_id,
    email: emailOf(first + i),
    password: PASSWORD,
    accessToken: reply.access_token,
    refreshToken: reply.refresh_token,
  }));
}

/** Until the mails and events that sign-ins have left behind are gone: they are work too. @throws Error after two minutes. */
export async function settled(databaseUrl: string): Promise<void> {
  const db = new Client(databaseUrl);
  await db.connect();
  try {
    for (const deadline = Date.now() + 120_000; Date.now() < deadline;) {
      const { rows } = await db.query<{ mails: number }>('SELECT count(*)::int AS mails FROM mail_outbox');
      if (rows[0]?.mails === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error('mails are still waiting');
  } finally {
    await db.end();
  }
}
