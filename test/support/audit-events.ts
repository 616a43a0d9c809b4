import type { Test } from 'supertest';
import { newId } from '../../src/common/ids';
import { TestService } from './app';

/** An event as it would have been recorded. */
export interface Happened {
  id?: string;
  type?: string;
  /** RFC 3339. */
  at: string;
  subject: string;
  /** Default: the subject. */
  actor?: string;
  resource?: string;
  data?: object;
  metadata?: object;
}

/** Puts events where the service would have recorded them, whatever the time. @returns their ids. */
export async function addEvents(service: TestService, ...events: Happened[]): Promise<string[]> {
  const rows = events.map((event) => ({ ...event, id: event.id ?? newId() }));
  await service.db.query(
    `WITH recorded AS (
       INSERT INTO events
         (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata)
       SELECT id, coalesce(type, 'user.updated'), at, 'test', 'normal', subject, coalesce(actor, subject), resource,
         coalesce(data, '{}'), coalesce(metadata, '{}')
       FROM jsonb_to_recordset($1::jsonb) AS e
         (id uuid, type text, at timestamptz, subject text, actor text, resource text, data jsonb, metadata jsonb)
       RETURNING event_id, "timestamp"
     )
     INSERT INTO event_outbox (event_id, "timestamp") SELECT event_id, "timestamp" FROM recorded`,
    [JSON.stringify(rows)],
  );
  return rows.map(({ id }) => id);
}

type Query = Record<string, string | number>;

/** Asks for events. */
export const auditEvents = (service: TestService, accessToken: string | undefined, query: Query = {}): Test =>
  service.client().get(`/v1/audit/events?${searchParams(query)}`, accessToken);

export const searchParams = (query: Query): string =>
  new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
