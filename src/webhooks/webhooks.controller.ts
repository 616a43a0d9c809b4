import { Body, Controller, Delete, Get, Header, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { escalationRefused } from '../authz/authz.errors';
import type { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { conflict, notFound, validationFailed } from '../common/common.errors';
import { PageQuery } from '../common/pagination';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { CreateWebhook } from './create-webhook.service';
import { DeleteWebhook } from './delete-webhook.service';
import { ReadWebhooks } from './read-webhooks.service';
import { RotateWebhookSecret } from './rotate-webhook-secret.service';
import { UpdateWebhook } from './update-webhook.service';
import {
  CreateWebhookBody,
  UpdateWebhookBody,
  WebhookItem,
  WebhookList,
  WebhookWithSecret,
} from './webhooks.dto';
import { tooManyWebhooks } from './webhooks.errors';

const PERMISSION = 'webhook:manage';

@ApiTags('Webhooks')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly create_: CreateWebhook,
    private readonly read: ReadWebhooks,
    private readonly update_: UpdateWebhook,
    private readonly rotate_: RotateWebhookSecret,
    private readonly delete_: DeleteWebhook,
  ) {}

  @Post()
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'Have events sent to a URL',
    description:
      'Each event from now on is a POST with the members of a stream entry, signed as Standard Webhooks has it: headers ' +
      '`webhook-id` (the event’s id), `webhook-timestamp` and `webhook-signature` (`v1,` and the base64 of the HMAC-SHA256 ' +
      'of id, timestamp and body, joined by dots). Anything but a 2xx in time is tried again with growing pauses, for a ' +
      'day, and is a dead letter then. At least once, in no certain order: `chain_position` tells it. The secret is shown ' +
      'once. At most 50 webhooks. It takes a session, and the permission without an end.',
    status: 201,
    reply: WebhookWithSecret,
    permission: PERMISSION,
    apiKeys: false,
    errors: [...bodyErrors, escalationRefused, tooManyWebhooks],
  })
  async create(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: CreateWebhookBody,
  ): Promise<WebhookWithSecret> {
    return this.create_.run(caller, body);
  }

  @Get()
  @Operation({
    summary: 'The webhooks',
    description: 'Newest first, and how each is doing.',
    reply: WebhookList,
    permission: PERMISSION,
    errors: [validationFailed],
  })
  async list(@CallerParam() caller: IdentifiedCaller, @Query() page: PageQuery): Promise<WebhookList> {
    return this.read.list(caller, page);
  }

  @Get(':webhook_id')
  @Operation({ summary: 'A webhook', reply: WebhookItem, permission: PERMISSION, errors: [notFound] })
  async one(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('webhook_id') webhookId: string,
  ): Promise<WebhookItem> {
    return this.read.one(caller, webhookId);
  }

  @Patch(':webhook_id')
  @Operation({
    summary: 'Change a webhook',
    description:
      'Only what is given changes. For one that is disabled no deliveries are made and none is sent: of what happens ' +
      'meanwhile it is never told, and what was pending goes on when it is enabled again, as far as its time is not over. ' +
      'It takes a session, and the permission without an end.',
    reply: WebhookItem,
    permission: PERMISSION,
    apiKeys: false,
    errors: [...bodyErrors, notFound, escalationRefused],
  })
  async update(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('webhook_id') webhookId: string,
    @Body() body: UpdateWebhookBody,
  ): Promise<WebhookItem> {
    return this.update_.run(caller, webhookId, body);
  }

  @Post(':webhook_id/rotate-secret')
  @Header('Cache-Control', 'no-store')
  @Operation({
    summary: 'Give a webhook another secret',
    description:
      'Shown once. The one before signs beside it for 24 hours: the header holds both signatures, separated by a blank. ' +
      'Rotated again within that time, the last two sign. It takes a session, and the permission without an end.',
    reply: WebhookWithSecret,
    permission: PERMISSION,
    apiKeys: false,
    errors: [...bodyErrors, notFound, escalationRefused, conflict],
  })
  async rotate(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('webhook_id') webhookId: string,
  ): Promise<WebhookWithSecret> {
    return this.rotate_.run(caller, webhookId);
  }

  @Delete(':webhook_id')
  @Operation({
    summary: 'Delete a webhook',
    description: 'Its deliveries go with it. A request that is under way is not called back.',
    status: 204,
    permission: PERMISSION,
    errors: [...bodyErrors, notFound],
  })
  async remove(
    @CallerParam() caller: IdentifiedCaller,
    @IdParam('webhook_id') webhookId: string,
  ): Promise<void> {
    await this.delete_.run(caller, webhookId);
  }
}
