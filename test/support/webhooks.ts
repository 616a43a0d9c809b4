import type { Test } from 'supertest';
import { TestService } from './app';
import { SignedIn } from './people';

export const WEBHOOKS = '/v1/webhooks';

/** The administration of webhooks, as somebody uses it. */
export class WebhookAdministration {
  constructor(
    private readonly service: TestService,
    private readonly by: SignedIn,
  ) {}

  create(body: object = {}): Test {
    return this.post('', { url: 'https://hooks.example.com/events?token=url-canary', ...body });
  }

  list(query = ''): Test {
    return this.get(query);
  }

  one(id: string): Test {
    return this.get(`/${id}`);
  }

  update(id: string, body: object): Test {
    return this.service.client().patch(`${WEBHOOKS}/${id}`, body, this.by.accessToken);
  }

  remove(id: string): Test {
    return this.service.client().delete(`${WEBHOOKS}/${id}`, this.by.accessToken);
  }

  rotate(id: string): Test {
    return this.post(`/${id}/rotate-secret`);
  }

  test(id: string): Test {
    return this.post(`/${id}/test`);
  }

  deliveries(id: string, query = ''): Test {
    return this.get(`/${id}/deliveries${query}`);
  }

  replay(id: string, deliveryId: string): Test {
    return this.post(`/${id}/deliveries/${deliveryId}/replay`);
  }

  replayAll(id: string): Test {
    return this.post(`/${id}/deliveries/replay`);
  }

  /** Makes one. @returns its id, and its secret. */
  async make(body: object = {}): Promise<{ id: string; secret: string }> {
    const reply = await this.create(body).expect(201);
    return { id: reply.body.webhook.webhook_id, secret: reply.body.secret };
  }

  /** Every route, by name, as something that would succeed with these ids. */
  all(id: string, deliveryId: string): Record<string, () => Test> {
    return {
      create: () => this.create(),
      list: () => this.list(),
      one: () => this.one(id),
      update: () => this.update(id, { description: 'new' }),
      rotate: () => this.rotate(id),
      test: () => this.test(id),
      deliveries: () => this.deliveries(id),
      replay: () => this.replay(id, deliveryId),
      'replay all': () => this.replayAll(id),
      remove: () => this.remove(id),
    };
  }

  private get(path: string): Test {
    return this.service.client().get(WEBHOOKS + path, this.by.accessToken);
  }

  private post(path: string, body?: object): Test {
    return this.service.client().post(WEBHOOKS + path, body, this.by.accessToken);
  }
}

/** Where nothing makes or sends deliveries by itself: the webhook stays as it is put. */
export const QUIET = `UPDATE webhook_fan_out SET position = 9000000000000`;

/** So many deliveries of a webhook, each event newer than the one before; due in an hour. @returns their ids, in order. */
export async function addDeliveries(
  service: TestService,
  webhookId: string,
  status: 'pending' | 'delivered' | 'dead',
  count = 1,
): Promise<string[]> {
  const rows = await service.db.query<{ id: string }[]>(
    `WITH made AS (
       INSERT INTO webhook_deliveries (id, webhook_id, event_id, "timestamp", event_type, position, status, attempts,
         due_at, give_up_at, last_status, last_error, created_at, finished_at)
       SELECT gen_random_uuid(), $1, (lpad(to_hex(1704067200000 + start + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
         '2024-01-01', 'user.updated', 1000 + start + n, $2, 7, now() + interval '1 hour', now() + interval '2 hours',
         CASE WHEN $2 = 'delivered' THEN 204 ELSE 500 END, CASE WHEN $2 = 'delivered' THEN NULL ELSE 'answered 500' END,
         now(), CASE WHEN $2 <> 'pending' THEN now() END
       FROM (SELECT count(*) AS start FROM webhook_deliveries) AS before, generate_series(1, $3::int) AS n
       RETURNING id, event_id
     )
     SELECT id FROM made ORDER BY event_id`,
    [webhookId, status, count],
  );
  return rows.map(({ id }) => id);
}

export interface WebhookEvent {
  type: string;
  subject: string;
  actor: string;
  resource: string | null;
  priority: string;
  data: Record<string, unknown>;
}

/** What is on record of a webhook, oldest first. */
export const webhookEvents = (service: TestService, id: string): Promise<WebhookEvent[]> =>
  service.db.query<WebhookEvent[]>(
    `SELECT event_type AS type, subject, actor, resource, priority, data FROM events
     WHERE subject = $1 ORDER BY "timestamp", event_id`,
    [`webhook:${id}`],
  );
