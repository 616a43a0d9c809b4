import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { pageOf, PageQuery } from '../common/pagination';
import { countWebhooks, webhookById, webhookPage } from './stored-webhooks';
import { webhookItem } from './webhook-item';
import { WebhookItem, WebhookList } from './webhooks.dto';

/** Shows who is told of events, and how that goes. Never a secret. */
@Injectable()
export class ReadWebhooks {
  constructor(private readonly db: EntityManager) {}

  /** @throws permission_denied, not_found */
  async one(caller: IdentifiedCaller, webhookId: string): Promise<WebhookItem> {
    requirePermission(caller, 'webhook:manage');
    return webhookItem(await webhookById(this.db, webhookId));
  }

  /** Newest first. @throws permission_denied */
  async list(caller: IdentifiedCaller, page: PageQuery): Promise<WebhookList> {
    requirePermission(caller, 'webhook:manage');
    const webhooks = await webhookPage(this.db, page.limit, page.offset);
    return pageOf(webhooks.map(webhookItem), await countWebhooks(this.db), page);
  }
}
