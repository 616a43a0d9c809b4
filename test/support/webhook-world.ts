import { createServer, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { DataSource } from 'typeorm';
import { systemCaller } from '../../src/common/caller';
import { newId } from '../../src/common/ids';
import { Events } from '../../src/infra/events/events';
import { WebhookSecrets } from '../../src/webhooks/webhook-secrets.service';
import { TestService } from './app';

/** What a receiver was sent. */
export interface Received {
  id: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: Record<string, unknown> & { data: Record<string, unknown> };
  at: number;
}

export type Answering = (response: ServerResponse, received: Received, request: IncomingMessage) => unknown;

/** An HTTP server of a test that webhooks go to. */
export interface Receiver {
  url: string;
  port: number;
  /** Oldest first. */
  received: Received[];
  /** What it says from now on; at first 204. */
  answer(next: Answering): void;
  stop(): Promise<void>;
}

export const ok: Answering = (response) => response.writeHead(204).end();
export const says =
  (status: number, headers: Record<string, string> = {}): Answering =>
  (response) =>
    response.writeHead(status, headers).end('{"detail":"what-it-says-is-its-own-business"}');

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let act = ok;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = (await buffer(request)).toString();
    const { headers, url: path } = request;
    const id = String(headers['webhook-id']);
    const one = { id, path: path!, headers, text, body: JSON.parse(text), at: Date.now() };
    received.push(one);
    act(response, one, request);
  };
  const server = createServer((request, response) => {
    take(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/events?token=url-canary`,
    port,
    received,
    answer: (next) => (act = next),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface NewWebhook {
  id: string;
  /** `whsec_…` */
  secret: string;
}

/** A webhook for `user.updated`, unless told otherwise; as the administration makes it. */
export async function newWebhook(
  service: TestService,
  url: string,
  eventTypes: string[] = ['user.updated'],
): Promise<NewWebhook> {
  const id = newId();
  const { text, wrapped } = await service.app.get(WebhookSecrets).make(id);
  await service.db.query(
    `INSERT INTO webhooks
       (id, url, event_types, enabled, wrapped_secret, since_position, created_by, created_at, updated_at)
     SELECT $1, $2, $3, true, $4, chain_position, 'system', now(), now() FROM event_relay`,
    [id, url, eventTypes, wrapped],
  );
  return { id, secret: text };
}

let numbers = 0;

/** Records `user.updated` so many times, each with its number, one after the other. @returns the ids, in order. */
export async function happen(
  service: TestService,
  count = 1,
  subject = `user:${newId()}`,
): Promise<string[]> {
  const events = service.app.get(Events);
  const marks: string[] = [];
  for (let i = 0; i < count; i++) {
    const mark = `n${++numbers}`;
    await events.record(service.db.manager, systemCaller(newId()), {
      type: 'user.updated',
      subject,
      data: { fields: [mark] },
    });
    marks.push(mark);
  }
  const rows = await service.db.query<{ event_id: string }[]>(
    `SELECT event_id FROM events WHERE data->'fields'->>0 = ANY($1) ORDER BY array_position($1, data->'fields'->>0)`,
    [marks],
  );
  return rows.map((row) => row.event_id);
}

export interface DeliveryRow {
  id: string;
  event_id: string;
  event_type: string;
  position: string;
  status: string;
  attempts: number;
  due_at: Date;
  give_up_at: Date;
  last_status: number | null;
  last_error: string | null;
  created_at: Date;
  finished_at: Date | null;
}

/** In the order of the chain. */
export const deliveriesOf = (db: DataSource, webhookId: string): Promise<DeliveryRow[]> =>
  db.query<DeliveryRow[]>(`SELECT * FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY position`, [
    webhookId,
  ]);

export interface LaneRow {
  enabled: boolean;
  failures: number;
  failing_since: Date | null;
  rest_until: Date | null;
  sender_id: string | null;
}

export async function laneOf(db: DataSource, webhookId: string): Promise<LaneRow> {
  const [row] = await db.query<LaneRow[]>(
    `SELECT enabled, failures, failing_since, rest_until, sender_id FROM webhooks WHERE id = $1`,
    [webhookId],
  );
  return row!;
}

/** @throws WebhookVerificationError; an Error where it is more than five minutes old, too. */
export function verified({ text, headers }: Received, { secret }: { secret: string }): unknown {
  return new Webhook(secret).verify(text, headers as Record<string, string>);
}

/** The same, whatever the service's clock says. */
export function signedBy({ id, text, headers }: Received, secret: string): boolean {
  const at = new Date(Number(headers['webhook-timestamp']) * 1000);
  const signature = new Webhook(secret).sign(id, at, text);
  return String(headers['webhook-signature']).split(' ').includes(signature);
}
