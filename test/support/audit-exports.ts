import type { Response, Test } from 'supertest';
import { eventually, TestService } from './app';
import { SignedIn } from './people';

/** An event as the API shows it. */
export interface ShownEvent {
  event_id: string;
  event_type: string;
  timestamp: string;
  subject: string;
  actor: string;
  resource: string | null;
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
  priority: string;
}

export interface MadeExport {
  export_id: string;
  status: string;
  total_events: number;
  written_events: number;
  truncated: boolean;
  created_at: string;
  expires_at: string;
  download_url: string;
}

/** So many logins of somebody, a second apart, the newest a minute ago, of times that milliseconds do not tell exactly. */
export async function addEvents(service: TestService, userId: string, count: number): Promise<void> {
  await service.db.query(
    `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
     SELECT gen_random_uuid(), 'user.login', now() - interval '1 minute' - (n / 2) * interval '1000003 microseconds',
       'user-service', 'normal', 'user:' || $1, 'user:' || $1,
       jsonb_build_object('session_id', gen_random_uuid(), 'method', 'password', 'second_factor', null,
         'new_device', false, 'number', n),
       jsonb_build_object('request_id', gen_random_uuid(), 'ip', '203.0.113.7', 'user_agent', repeat('Mozilla/5.0 ', 12))
     FROM generate_series(1, $2::int) n`,
    [userId, count],
  );
}

export interface ExportsOf {
  create(body: object): Test;
  get(exportId: string): Test;
  list(query?: string): Test;
  make(body: object): Promise<{ made: MadeExport; file: Response }>;
  file(exportId: string): Promise<Response>;
  shown(query?: string): Promise<ShownEvent[]>;
}

/** What somebody can do with exports, and with the query. */
export const exportsOf = (service: TestService, person: SignedIn): ExportsOf => ({
  create: (body: object) => service.client().post('/v1/audit/export', body, person.accessToken),
  get: (exportId: string) => service.client().get(`/v1/audit/export/${exportId}`, person.accessToken),
  list: (query = ''): Test => service.client().get(`/v1/audit/exports${query}`, person.accessToken),
  /** Waits for the file of a new export. */
  async make(body: object): Promise<{ made: MadeExport; file: Response }> {
    const { body: made } = await this.create(body).expect(201);
    return { made, file: await this.file(made.export_id) };
  },
  file: (exportId: string): Promise<Response> =>
    eventually(async () => {
      const reply = await service
        .client()
        .get(`/v1/audit/export/${exportId}`, person.accessToken)
        .buffer(true);
      if (reply.status === 202) return null;
      expect(reply.status).toBe(200);
      return reply;
    }, 'the export to be ready'),
  /** What the query shows, newest first. */
  async shown(query = ''): Promise<ShownEvent[]> {
    const events: ShownEvent[] = [];
    for (let more = true; more && events.length <= 10_000;) {
      const { body } = await service
        .client()
        .get(`/v1/audit/events?limit=1000&offset=${events.length}${query}`, person.accessToken)
        .expect(200);
      events.push(...(body.events as ShownEvent[]));
      more = body.has_more;
    }
    return events;
  },
});

/** RFC 4180, to the letter: a quote in a cell without quotes, or a line that ends otherwise, is an error. */
export function parseCsv(text: string): string[][] {
  const lines: string[][] = [];
  let cells: string[] = [];
  let at = 0;
  while (at < text.length) {
    const [cell, end] = text[at] === '"' ? quotedCell(text, at) : plainCell(text, at);
    cells.push(cell);
    if (text[end] === ',') {
      at = end + 1;
      continue;
    }
    if (text.slice(end, end + 2) !== '\r\n') throw new Error(`no end of a line at ${end}`);
    lines.push(cells);
    cells = [];
    at = end + 2;
  }
  if (cells.length > 0) throw new Error('the last line has no end');
  return lines;
}

function plainCell(text: string, at: number): [cell: string, end: number] {
  let end = at;
  while (end < text.length && text[end] !== ',' && text[end] !== '\r') {
    if (text[end] === '"' || text[end] === '\n') throw new Error(`not in a plain cell: at ${end}`);
    end++;
  }
  return [text.slice(at, end), end];
}

function quotedCell(text: string, at: number): [cell: string, end: number] {
  let cell = '';
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] !== '"') cell += text[i];
    else if (text[i + 1] === '"') cell += text[i++];
    else return [cell, i + 1];
  }
  throw new Error('a quoted cell has no end');
}

/** The events of a CSV file, as the API shows them. */
export function eventsOfCsv(text: string): ShownEvent[] {
  const [names, ...lines] = parseCsv(text);
  return lines.map((line) => {
    expect(line).toHaveLength(names!.length);
    const row = Object.fromEntries(names!.map((name, index) => [name, line[index]!]));
    return {
      ...row,
      resource: row.resource === '' ? null : row.resource,
      data: JSON.parse(row.data!),
      metadata: JSON.parse(row.metadata!),
    } as ShownEvent;
  });
}

/** All that the database holds of exports, as text. */
export async function storedText(service: TestService): Promise<string> {
  const tables = await Promise.all(
    ['audit_exports', 'audit_export_parts'].map((table) =>
      service.db.query<Record<string, unknown>[]>(`SELECT * FROM ${table}`),
    ),
  );
  const textOf = (value: unknown): string =>
    Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value);
  return tables
    .flat()
    .flatMap((row) => Object.values(row).map(textOf))
    .join('\n');
}

/** Makes every part that is written from now on take so long, or no longer. */
export async function slowParts(service: TestService, seconds: number | null): Promise<void> {
  await service.db.query(`DROP TRIGGER IF EXISTS slow ON audit_export_parts`);
  if (seconds === null) return;
  await service.db.query(
    `CREATE OR REPLACE FUNCTION slow_part() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN PERFORM pg_sleep(${seconds}); RETURN NEW; END $$`,
  );
  await service.db.query(
    `CREATE TRIGGER slow BEFORE INSERT ON audit_export_parts FOR EACH ROW EXECUTE FUNCTION slow_part()`,
  );
}
