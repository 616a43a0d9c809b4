import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayUnique, IsArray, IsBoolean, IsIn, IsOptional } from 'class-validator';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';
import { PageReply } from '../common/pagination';
import { eventTypes } from '../infra/events/event-types';
import { MOST_URL_LENGTH } from './webhook-url';

const ID = { example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' };
const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const MAYBE_TIME = { ...TIME, nullable: true, type: String };
const URL_ = { example: 'https://hooks.example.com/user-events', format: 'uri', maxLength: MOST_URL_LENGTH };
const URL_RULES =
  'https; http only to an address within WEBHOOK_PRIVATE_NETWORKS. No user, no fragment, no private host; ' +
  'international names in their ASCII form';
const DESCRIPTION = {
  example: 'Order router: ends sessions',
  minLength: 1,
  maxLength: 255,
  nullable: true,
  type: String,
};
const TYPES = {
  enum: eventTypes,
  isArray: true,
  example: ['session.revoked', 'user.suspended'],
  uniqueItems: true,
  description: 'Which types of events it is told of. Empty: all, those of later releases too',
};
const SECRET = {
  example: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD3rrB1vBRHQ8=',
  description: 'Shown once. Standard Webhooks: the base64 after `whsec_` is the key of the HMAC',
};

const IsEventTypes = (): PropertyDecorator => (target, name) => {
  IsArray({ message: '$property must be an array' })(target, name);
  ArrayUnique({ message: '$property must name each type once' })(target, name);
  IsIn(eventTypes, { each: true, message: 'each of $property must be a type of event, such as user.login' })(
    target,
    name,
  );
};

export class CreateWebhookBody {
  @ApiProperty({ ...URL_, description: URL_RULES })
  @IsText({ min: 1, max: MOST_URL_LENGTH })
  url!: string;

  @ApiPropertyOptional({ ...TYPES, default: [] })
  @Maybe()
  @IsEventTypes()
  event_types?: string[];

  @ApiPropertyOptional(DESCRIPTION)
  @IsOptional()
  @IsText({ min: 1, max: 255 })
  description?: string | null;
}

export class UpdateWebhookBody {
  @ApiPropertyOptional({ ...URL_, description: URL_RULES })
  @Maybe()
  @IsText({ min: 1, max: MOST_URL_LENGTH })
  url?: string;

  @ApiPropertyOptional(TYPES)
  @Maybe()
  @IsEventTypes()
  event_types?: string[];

  @ApiPropertyOptional(DESCRIPTION)
  @IsOptional()
  @IsText({ min: 1, max: 255 })
  description?: string | null;

  @ApiPropertyOptional({ example: true, description: 'False: it is told of nothing' })
  @Maybe()
  @IsBoolean()
  enabled?: boolean;
}

export class WebhookItem {
  @ApiProperty(ID)
  webhook_id!: string;

  @ApiProperty(URL_)
  url!: string;

  @ApiProperty({ type: [String], example: TYPES.example, description: 'Empty: all' })
  event_types!: string[];

  @ApiProperty(DESCRIPTION)
  description!: string | null;

  @ApiProperty({ example: true })
  enabled!: boolean;

  @ApiProperty({
    enum: ['ok', 'failing', 'disabled'],
    example: 'ok',
    description: '`failing`: the receiver does not answer as it should; what waits is tried again and again',
  })
  status!: string;

  @ApiProperty({ ...MAYBE_TIME, description: 'Since when nothing arrives' })
  failing_since!: string | null;

  @ApiProperty({
    // Not a class of its own: what refers to one cannot be null in OpenAPI 3.0.
    type: 'object',
    properties: {
      event_id: { type: 'string', ...ID },
      delivered_at: { type: 'string', ...TIME },
    },
    required: ['event_id', 'delivered_at'],
    nullable: true,
    description: 'The newest event that has arrived',
  })
  last_delivery!: { event_id: string; delivered_at: string } | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'Until then the secret before the present one signs too' })
  previous_secret_until!: string | null;

  @ApiProperty({ example: 'user:0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33', description: 'Who made it' })
  created_by!: string;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty(TIME)
  updated_at!: string;
}

/** After creation, and after a rotation. */
export class WebhookWithSecret {
  @ApiProperty({ type: WebhookItem })
  webhook!: WebhookItem;

  @ApiProperty(SECRET)
  secret!: string;
}

export class WebhookList extends PageReply {
  @ApiProperty({ type: [WebhookItem], description: 'Newest first' })
  items!: WebhookItem[];
}

export class WebhookTestReply {
  @ApiProperty({
    type: Number,
    nullable: true,
    example: 204,
    description: 'What the receiver answered; null: nothing',
  })
  status!: number | null;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Why it did not arrive' })
  error!: string | null;

  @ApiProperty({ example: 84, description: 'How long it took' })
  milliseconds!: number;
}
