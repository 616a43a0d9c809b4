/**
 * Events as signed HTTP requests to those whom administrators name. It refuses to reach private addresses, to follow
 * redirects, and to let one receiver keep another waiting.
 */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { WrappedColumns } from '../infra/kms/wrapped-columns';
import { CreateWebhook } from './create-webhook.service';
import { DeleteWebhook } from './delete-webhook.service';
import { FanOut } from './fan-out/fan-out.service';
import { FanOutLoop } from './fan-out/fan-out-loop';
import { ListWebhookDeliveries } from './list-webhook-deliveries.service';
import { ReadWebhookFields } from './read-webhook-fields.service';
import { ReadWebhooks } from './read-webhooks.service';
import { ReplayWebhookDeliveries } from './replay-webhook-deliveries.service';
import { RotateWebhookSecret } from './rotate-webhook-secret.service';
import { AllowedAddress } from './sending/allowed-address';
import { DeliveryResults } from './sending/delivery-results.service';
import { DeliveryUpkeep } from './sending/delivery-upkeep';
import { LaneRunner } from './sending/lane-runner';
import { Lanes } from './sending/lanes.service';
import { NameResolver } from './sending/name-resolver';
import { SendingDatabase } from './sending/sending-database';
import { SendingLoop } from './sending/sending-loop';
import { SignedPost } from './sending/signed-post';
import { WebhookBacklog } from './sending/webhook-backlog';
import { WebhookSender } from './sending/webhook-sender.service';
import { TestWebhook } from './test-webhook.service';
import { UpdateWebhook } from './update-webhook.service';
import { WebhookDeliveriesController } from './webhook-deliveries.controller';
import { WebhookLeftovers } from './webhook-leftovers';
import { webhookContext, WebhookSecrets } from './webhook-secrets.service';
import { WebhooksController } from './webhooks.controller';

@Module({
  imports: [AuthzModule],
  controllers: [WebhooksController, WebhookDeliveriesController],
  providers: [
    WebhookSecrets,
    ReadWebhookFields,
    CreateWebhook,
    ReadWebhooks,
    UpdateWebhook,
    RotateWebhookSecret,
    DeleteWebhook,
    WebhookLeftovers,
    TestWebhook,
    ListWebhookDeliveries,
    ReplayWebhookDeliveries,
    FanOut,
    FanOutLoop,
    NameResolver,
    AllowedAddress,
    SignedPost,
    SendingDatabase,
    Lanes,
    DeliveryResults,
    LaneRunner,
    SendingLoop,
    WebhookSender,
    DeliveryUpkeep,
    WebhookBacklog,
  ],
})
export class WebhooksModule {
  constructor(columns: WrappedColumns) {
    for (const column of ['wrapped_secret', 'wrapped_previous_secret'])
      columns.register({ table: 'webhooks', id: 'id', column, context: webhookContext });
  }
}
