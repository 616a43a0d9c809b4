import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { Maybe } from '../common/maybe.decorator';
import { PageQuery, PageReply } from '../common/pagination';
import { DELIVERY_STATUSES, DeliveryStatus } from './webhook';

const ID = { example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' };
const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };

export class WebhookDeliveriesQuery extends PageQuery {
  @ApiPropertyOptional({ enum: DELIVERY_STATUSES, description: 'Default: all' })
  @Maybe()
  @IsIn(DELIVERY_STATUSES)
  status?: DeliveryStatus;
}

export class WebhookDeliveryItem {
  @ApiProperty(ID)
  delivery_id!: string;

  @ApiProperty({ ...ID, description: 'Its header `webhook-id`: the same with every attempt' })
  event_id!: string;

  @ApiProperty({ example: 'session.revoked' })
  event_type!: string;

  @ApiProperty({ example: 48211, description: 'Of the event in the hash chain' })
  position!: number;

  @ApiProperty({
    enum: DELIVERY_STATUSES,
    example: 'pending',
    description: '`dead`: given up; it can be replayed',
  })
  status!: DeliveryStatus;

  @ApiProperty({ example: 3, description: 'Since it was made, or replayed' })
  attempts!: number;

  @ApiProperty({ ...TIME, description: 'When it is tried next, at the earliest' })
  due_at!: string;

  @ApiProperty({ ...TIME, description: 'When it is given up' })
  give_up_at!: string;

  @ApiProperty({
    type: Number,
    nullable: true,
    example: 503,
    description: 'What the receiver answered last',
  })
  last_status!: number | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'answered 503',
    description: 'Why it did not arrive',
  })
  last_error!: string | null;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty({ ...TIME, type: String, nullable: true, description: 'When it arrived, or was given up' })
  finished_at!: string | null;
}

export class WebhookDeliveryList extends PageReply {
  @ApiProperty({ type: [WebhookDeliveryItem], description: 'The newest event first' })
  items!: WebhookDeliveryItem[];

  @ApiProperty({ example: 1, description: 'On all pages, counted up to 10,000' })
  override total!: number;

  @ApiProperty({ example: true, description: 'False: there are more than `total`' })
  total_is_exact!: boolean;
}

export class ReplayedDeliveries {
  @ApiProperty({ example: 12 })
  replayed!: number;

  @ApiProperty({ example: false, description: 'More are dead: ask again' })
  has_more!: boolean;
}
