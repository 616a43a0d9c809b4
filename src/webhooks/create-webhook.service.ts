import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { Events } from '../infra/events/events';
import { countWebhooks, webhookById } from './stored-webhooks';
import { ReadWebhookFields, WebhookFields } from './read-webhook-fields.service';
import { webhookItem } from './webhook-item';
import { WebhookSecrets } from './webhook-secrets.service';
import { CreateWebhookBody, WebhookWithSecret } from './webhooks.dto';
import { tooManyWebhooks } from './webhooks.errors';

/** Each costs a connection and a row for each event. */
const MOST_WEBHOOKS = 50;

/**
 * Makes receivers of events, and shows the secret of each once. It takes a session, and a permission that does not end:
 * a webhook goes on telling when whoever made it may not any more.
 */
@Injectable()
export class CreateWebhook {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly authority: Authority,
    private readonly fields: ReadWebhookFields,
    private readonly secrets: WebhookSecrets,
  ) {}

  /** @throws permission_denied, escalation_refused, validation_failed, too_many_webhooks, unavailable */
  async run(caller: AuthenticatedCaller, body: CreateWebhookBody): Promise<WebhookWithSecret> {
    requirePermission(caller, 'webhook:manage');
    const id = newId();
    const { url } = body;
    const fields = { url, eventTypes: [], description: null, ...this.fields.run(body), enabled: true };
    const secret = await this.secrets.make(id);
    const webhook = await this.db.transaction(async (tx) => {
      // Whoever makes one too waits, or twenty at once would all find room for one.
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('webhooks', 0))`);
      await this.authority.requireUntil(tx, caller, ['webhook:manage'], null);
      if ((await countWebhooks(tx)) >= MOST_WEBHOOKS) throw tooManyWebhooks();
      await this.write(tx, caller, id, fields, secret.wrapped);
      return webhookById(tx, id);
    });
    return { webhook: webhookItem(webhook), secret: secret.text };
  }

  private async write(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    id: string,
    { url, description, eventTypes, enabled }: WebhookFields,
    wrapped: Buffer,
  ): Promise<void> {
    await tx.query(
      `INSERT INTO webhooks
         (id, url, description, event_types, enabled, wrapped_secret, created_by, created_at, updated_at, since_position)
       SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8, chain_position FROM event_relay`,
      [id, url, description, eventTypes, enabled, wrapped, `user:${caller.userId}`, this.clock.date()],
    );
    // Ids alone: a URL may hold a token.
    await this.events.record(tx, caller, {
      type: 'webhook.created',
      subject: `webhook:${id}`,
      data: { webhook_id: id, event_types: eventTypes },
    });
  }
}
