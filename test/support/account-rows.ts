import { TestService } from './app';
import { WHOLE_EVENTS } from './whole-events';

/** What the tables say of accounts, for what no reply shows. */

export interface StoredEvent {
  type: string;
  actor: string;
  data: Record<string, unknown>;
}

/** A user's events, oldest first; only those of a type where one is given. */
export async function eventsOf(service: TestService, userId: string, type?: string): Promise<StoredEvent[]> {
  return service.db.query<StoredEvent[]>(
    `SELECT event_type AS type, actor, data FROM ${WHOLE_EVENTS}
     WHERE subject = $1 AND ($2::text IS NULL OR event_type = $2) ORDER BY "timestamp", event_id`,
    [`user:${userId}`, type ?? null],
  );
}

/** The row of the account that has an address. */
export async function accountOf(service: TestService, email: string): Promise<Record<string, unknown>> {
  const rows = await service.db.query<Record<string, unknown>[]>(`SELECT * FROM users WHERE email = $1`, [
    email,
  ]);
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

export async function setStatus(
  service: TestService,
  email: string,
  status: 'active' | 'suspended' | 'deactivated',
): Promise<void> {
  await service.db.query(`UPDATE users SET status = $2 WHERE email = $1`, [email, status]);
}

/** As deletion leaves it: the row stays, the address is free. */
export async function deleteAccount(service: TestService, email: string): Promise<void> {
  await service.db.query(`UPDATE users SET status = 'deleted', deleted_at = now() WHERE email = $1`, [email]);
}

export async function setPasswordHash(service: TestService, email: string, hash: string): Promise<void> {
  await service.db.query(`UPDATE users SET password_hash = $2 WHERE email = $1`, [email, hash]);
}
