import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { Events } from '../infra/events/events';
import { DISOWNED, lockWebhook, webhookById } from './stored-webhooks';
import { Webhook } from './webhook';
import { ReadWebhookFields, WebhookFields } from './read-webhook-fields.service';
import { webhookItem } from './webhook-item';
import { UpdateWebhookBody, WebhookItem } from './webhooks.dto';

/** As replies and events name them. */
const NAMES = {
  url: 'url',
  eventTypes: 'event_types',
  description: 'description',
  enabled: 'enabled',
} as const;
const FIELDS = Object.keys(NAMES) as (keyof WebhookFields)[];

/** Changes receivers of events. Like making one it takes a session, and a permission that does not end. */
@Injectable()
export class UpdateWebhook {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly authority: Authority,
    private readonly fields: ReadWebhookFields,
  ) {}

  /**
   * Changes what is given and is something else; the event names the fields, not what they say. Nothing: no event.
   * For one that is disabled nothing is made: of what happened meanwhile it is never told. What was pending goes on when
   * it is enabled again.
   * @throws permission_denied, escalation_refused, not_found, validation_failed
   */
  async run(caller: AuthenticatedCaller, webhookId: string, body: UpdateWebhookBody): Promise<WebhookItem> {
    requirePermission(caller, 'webhook:manage');
    const given = this.fields.run(body);
    const webhook = await this.db.transaction(async (tx) => {
      const before = await lockWebhook(tx, webhookId);
      await this.authority.requireUntil(tx, caller, ['webhook:manage'], null);
      const after = { ...before, ...given };
      const changed = FIELDS.filter((field) => !isSame(before[field], after[field]));
      if (changed.length > 0) {
        await this.write(tx, before, after);
        await this.events.record(tx, caller, {
          type: 'webhook.updated',
          subject: `webhook:${webhookId}`,
          data: { webhook_id: webhookId, fields: changed.map((field) => NAMES[field]) },
        });
      }
      return webhookById(tx, webhookId);
    });
    return webhookItem(webhook);
  }

  private async write(tx: EntityManager, before: Webhook, after: Webhook): Promise<void> {
    const isBack = after.enabled && !before.enabled;
    const now = this.clock.date();
    await tx.query(
      `UPDATE webhooks SET url = $2, description = $3, event_types = $4, enabled = $5, updated_at = $6,
         since_position = CASE WHEN $7 THEN (SELECT chain_position FROM event_relay) ELSE since_position END
       WHERE id = $1`,
      [after.id, after.url, after.description, after.eventTypes, after.enabled, now, isBack],
    );
    // Whoever has repaired a receiver, or named another, is not kept waiting.
    if (isBack || after.url !== before.url) {
      await tx.query(`UPDATE webhooks SET failing_since = NULL, failures = 0, ${DISOWNED} WHERE id = $1`, [
        after.id,
      ]);
      // Nor for what has failed before. Only what was tried lies ahead, an hour at most, and `webhook_deliveries_due` finds
      // it: of a million that wait hardly any was.
      await tx.query(
        `UPDATE webhook_deliveries SET due_at = $2 WHERE webhook_id = $1 AND status = 'pending' AND due_at > $2`,
        [after.id, now],
      );
    }
  }
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
