import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { conflict } from '../common/common.errors';
import { Events } from '../infra/events/events';
import { DISOWNED, lockWebhook, webhookById } from './stored-webhooks';
import { Webhook } from './webhook';
import { webhookItem } from './webhook-item';
import { WebhookSecrets } from './webhook-secrets.service';
import { WebhookWithSecret } from './webhooks.dto';

const BOTH_SIGN_MS = 24 * 3600 * 1000;

/** Gives a webhook another secret, and shows it once. The one before signs beside it for a day. */
@Injectable()
export class RotateWebhookSecret {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly authority: Authority,
    private readonly secrets: WebhookSecrets,
  ) {}

  /**
   * Of several at once one rotates: a second would throw away the secret that the receiver knows.
   * @throws permission_denied, escalation_refused, not_found, unavailable; conflict where another one was faster
   */
  async run(caller: AuthenticatedCaller, webhookId: string): Promise<WebhookWithSecret> {
    requirePermission(caller, 'webhook:manage');
    const seen = await webhookById(this.db, webhookId);
    const secret = await this.secrets.make(webhookId);
    const webhook = await this.db.transaction(async (tx) => {
      const locked = await lockWebhook(tx, webhookId);
      await this.authority.requireUntil(tx, caller, ['webhook:manage'], null);
      if (rotation(locked) !== rotation(seen))
        throw conflict({ message: 'The secret has just been rotated by another call.' });
      await this.write(tx, caller, webhookId, secret.wrapped);
      return webhookById(tx, webhookId);
    });
    return { webhook: webhookItem(webhook), secret: secret.text };
  }

  private async write(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    webhookId: string,
    wrapped: Buffer,
  ): Promise<void> {
    const now = this.clock.now();
    // One whose secret could not be opened is not kept waiting; nor one that refused what the former one signed.
    await tx.query(
      `UPDATE webhooks SET wrapped_previous_secret = wrapped_secret, previous_secret_until = $3, wrapped_secret = $2,
         updated_at = $4, ${DISOWNED}
       WHERE id = $1`,
      [webhookId, wrapped, new Date(now + BOTH_SIGN_MS), new Date(now)],
    );
    await this.events.record(tx, caller, {
      type: 'webhook.secret_rotated',
      subject: `webhook:${webhookId}`,
      data: { webhook_id: webhookId },
    });
  }
}

/** Another number after each rotation. */
const rotation = ({ previousSecretUntil }: Webhook): number => previousSecretUntil?.getTime() ?? 0;
