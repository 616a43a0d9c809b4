import { Injectable, Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { Events } from '../infra/events/events';
import { failureReason } from '../infra/logging/failure-reason';
import { lockWebhook } from './stored-webhooks';
import { WebhookLeftovers } from './webhook-leftovers';

/**
 * Ends a receiver of events. From the commit on it is nobody's, and told of nothing; its deliveries, of which there may be
 * a million, and its row go right after, or a minute later where there are too many for one call.
 */
@Injectable()
export class DeleteWebhook {
  private readonly logger = new Logger('Webhooks');

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly authority: Authority,
    private readonly leftovers: WebhookLeftovers,
  ) {}

  /** @throws permission_denied, not_found */
  async run(caller: IdentifiedCaller, webhookId: string): Promise<void> {
    requirePermission(caller, 'webhook:manage');
    await this.db.transaction(async (tx) => {
      await lockWebhook(tx, webhookId);
      await this.authority.requireNow(tx, caller, ['webhook:manage']);
      await tx.query(
        `UPDATE webhooks SET enabled = false, deleted_at = $2, wrapped_previous_secret = NULL WHERE id = $1`,
        [webhookId, this.clock.date()],
      );
      await this.events.record(tx, caller, {
        type: 'webhook.deleted',
        subject: `webhook:${webhookId}`,
        data: { webhook_id: webhookId },
      });
    });
    try {
      await this.leftovers.removeSome(webhookId);
    } catch (error) {
      // It is deleted all the same: the next round finds it.
      this.logger.warn(`deliveries of a deleted webhook wait to be removed: ${failureReason(error)}`);
    }
  }
}
