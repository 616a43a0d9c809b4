import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsIn, IsUUID } from 'class-validator';
import { IsInstant } from '../../common/is-instant.decorator';
import { Maybe } from '../../common/maybe.decorator';
import { IsWholeNumber, MAX_OFFSET, PageReply } from '../../common/pagination';
import type { EventPriority, EventType } from '../../infra/events/event-types';
import { eventTypes } from '../../infra/events/event-types';

const ID = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const PRIORITIES: EventPriority[] = ['low', 'normal', 'high', 'critical'];

export class AuditEventItem {
  @ApiProperty({ example: '0192f0b1-33c5-7b6e-a1d0-52c9b8a7e611', format: 'uuid' })
  event_id!: string;

  @ApiProperty({
    example: 'user.login',
    description: 'What happened. More types may come: pass over those you do not know',
  })
  event_type!: string;

  @ApiProperty({ format: 'date-time', example: '2026-11-22T09:30:00.000Z' })
  timestamp!: string;

  @ApiProperty({ example: `user:${ID}`, description: 'What it happened to, as a rule an account' })
  subject!: string;

  @ApiProperty({
    example: `user:${ID}`,
    description: '`user:<id>`; `system`: the service itself; `anonymous`: somebody who had not signed in',
  })
  actor!: string;

  @ApiProperty({
    example: 'trading_account:0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10',
    nullable: true,
    type: String,
    description: 'The object concerned, where it is not the subject',
  })
  resource!: string | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: {
      session_id: '0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33',
      method: 'password',
      second_factor: null,
      new_device: true,
    },
    description:
      'By type, as `/asyncapi.json` has it. Members that name a person are missing once they are erased (30 days after ' +
      'the deletion of the account). The reason of a suspension is for administrators alone',
  })
  data!: Record<string, unknown>;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: {
      request_id: '0192f0b1-33c0-7aa1-8f1c-0d5b9c3e7a42',
      ip: '203.0.113.7',
      user_agent: 'Mozilla/5.0',
    },
    description:
      'Of the request: `request_id`; `ip` and `user_agent` of whoever acted, missing where that was another user and you ' +
      'lack `audit:read`, and once they are erased; `api_key_id` where it came with an API key',
  })
  metadata!: Record<string, unknown>;

  @ApiProperty({ enum: PRIORITIES, example: 'normal' })
  priority!: EventPriority;
}

export class AuditEventList extends OmitType(PageReply, ['total']) {
  @ApiProperty({ type: [AuditEventItem], description: 'Newest first; of the same time the greater id first' })
  events!: AuditEventItem[];

  @ApiProperty({ example: 1, description: 'All that fit the filters, counted up to 10,000' })
  total!: number;

  @ApiProperty({ example: true, description: 'False: there are more than `total`' })
  total_is_exact!: boolean;
}

/** Which events. Without `example`: Swagger UI would fill them all in. */
export class AuditEventFilter {
  @ApiPropertyOptional({ enum: eventTypes })
  @Maybe()
  @IsIn(eventTypes, { message: '$property must be a type of event that there is, such as user.login' })
  event_type?: EventType;

  @ApiPropertyOptional({
    format: 'date-time',
    example: '2026-11-01T00:00:00Z',
    description: 'Not before this time (RFC 3339, for example `2026-11-01T00:00:00Z`)',
  })
  @Maybe()
  @IsInstant()
  start_date?: string;

  @ApiPropertyOptional({
    format: 'date-time',
    example: '2026-12-01T00:00:00Z',
    description: 'Before this time, which is not part of it; after `start_date`',
  })
  @Maybe()
  @IsInstant()
  end_date?: string;
}

export class AuditEventsQuery extends AuditEventFilter {
  @ApiPropertyOptional({
    format: 'uuid',
    description:
      'Whose events; yours, where it is left out. Those of others are found with the permission `audit:read` alone',
  })
  @Maybe()
  @IsUUID('all', { message: '$property must be a user_id' })
  user_id?: string;

  @ApiPropertyOptional({ default: 100, minimum: 1, maximum: 1000 })
  @Maybe()
  @IsWholeNumber(1, 1000)
  limit: number = 100;

  @ApiPropertyOptional({ default: 0, minimum: 0, maximum: MAX_OFFSET, description: 'How many to pass over' })
  @Maybe()
  @IsWholeNumber(0, MAX_OFFSET, 'narrow the dates, or walk on with `after`')
  offset: number = 0;

  @ApiPropertyOptional({
    format: 'uuid',
    description:
      'Those that come after this event: the last `event_id` of the page before. For walking through everything; not together with `offset`.',
  })
  @Maybe()
  @IsUUID('all', { message: '$property must be an event_id' })
  after?: string;
}
