import { Injectable } from '@nestjs/common';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { WebhookSender } from './sending/webhook-sender.service';
import { WebhookTestReply } from './webhooks.dto';

/** Sends a webhook a test, and tells what came of it. Nothing is stored: it says nothing of the events that wait. */
@Injectable()
export class TestWebhook {
  constructor(private readonly sender: WebhookSender) {}

  /** @throws permission_denied, not_found, webhook_secret_damaged, unavailable */
  async run(caller: IdentifiedCaller, webhookId: string): Promise<WebhookTestReply> {
    requirePermission(caller, 'webhook:manage');
    return this.sender.sendTest(webhookId);
  }
}
