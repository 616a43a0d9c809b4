import { Controller, Get, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { IdentifiedCaller } from '../common/caller';
import { notFound, validationFailed } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { ListWebhookDeliveries } from './list-webhook-deliveries.service';
import { ReplayWebhookDeliveries } from './replay-webhook-deliveries.service';
import { TestWebhook } from './test-webhook.service';
import {
  ReplayedDeliveries,
  WebhookDeliveriesQuery,
  WebhookDeliveryItem,
  WebhookDeliveryList,
} from './webhook-deliveries.dto';
import { WebhookTestReply } from './webhooks.dto';
import { deliveryNotDead, eventNotKept, webhookSecretDamaged } from './webhooks.errors';

const PERMISSION = 'webhook:manage';

@ApiTags('Webhooks')
@Controller('v1/webhooks/:webhook_id')
export class WebhookDeliveriesController {
  constructor(
    private readonly test_: TestWebhook,
    private readonly list_: ListWebhookDeliveries,
    private readonly replay_: ReplayWebhookDeliveries,
  ) {}

  @Post('test')
  @Operation({
    summary: 'Send a webhook a test',
    description:
      'One signed request of the type `webhook.test` now, which is no event and is not tried again, also where the ' +
      'webhook is disabled. The reply waits for the receiver, at most WEBHOOK_TIMEOUT_SECONDS.',
    reply: WebhookTestReply,
    permission: PERMISSION,
    errors: [...bodyErrors, notFound, webhookSecretDamaged],
  })
  async test(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('webhook_id') webhookId: string,
  ): Promise<WebhookTestReply> {
    return this.test_.run(caller, webhookId);
  }

  @Get('deliveries')
  @Operation({
    summary: 'What was sent to a webhook, what waits, and what was given up',
    description: 'The newest event first. With `status=dead` its dead letters.',
    reply: WebhookDeliveryList,
    permission: PERMISSION,
    errors: [notFound, validationFailed],
  })
  async list(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('webhook_id') webhookId: string,
    @Query() query: WebhookDeliveriesQuery,
  ): Promise<WebhookDeliveryList> {
    return this.list_.run(caller, webhookId, query);
  }

  @Post('deliveries/replay')
  @Operation({
    summary: 'Send all dead letters of a webhook again',
    description:
      'The oldest events, 1,000 in one call: `has_more` says whether to ask again. Each begins anew: no attempts, and ' +
      'all the time that it had at first. Left out are those whose event is older than events are kept.',
    reply: ReplayedDeliveries,
    permission: PERMISSION,
    errors: [...bodyErrors, notFound],
  })
  async replayAll(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('webhook_id') webhookId: string,
  ): Promise<ReplayedDeliveries> {
    return this.replay_.all(caller, webhookId);
  }

  @Post('deliveries/:delivery_id/replay')
  @Operation({
    summary: 'Send a dead letter again',
    description: 'It begins anew: no attempts, and all the time that it had at first.',
    reply: WebhookDeliveryItem,
    permission: PERMISSION,
    errors: [...bodyErrors, notFound, deliveryNotDead, eventNotKept],
  })
  async replay(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('webhook_id') webhookId: string,
    @IdParam('delivery_id') deliveryId: string,
  ): Promise<WebhookDeliveryItem> {
    return this.replay_.one(caller, webhookId, deliveryId);
  }
}
