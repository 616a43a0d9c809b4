import { ApiProperty } from '@nestjs/swagger';
import type { Check, EventsCheck } from '../../infra/health/health-checks';

export class LiveReply {
  @ApiProperty({ enum: ['ok'], example: 'ok' })
  status!: 'ok';
}

export class CheckReply implements Check {
  @ApiProperty({ enum: ['ok', 'failed'], example: 'ok' })
  status!: 'ok' | 'failed';

  @ApiProperty({ type: Number, example: 0.8, description: 'Milliseconds until the answer, at most 1000.' })
  latency_ms!: number;
}

export class EventsCheckReply implements EventsCheck {
  @ApiProperty({
    enum: ['ok', 'late', 'unknown'],
    example: 'ok',
    description: '`late`: the oldest unpublished event is older than a minute.',
  })
  status!: 'ok' | 'late' | 'unknown';

  @ApiProperty({
    type: Number,
    nullable: true,
    example: 0,
    description: 'Unpublished events, counted up to 10000.',
  })
  pending!: number | null;

  @ApiProperty({ type: Number, nullable: true, example: 0, description: 'Age of the oldest of them.' })
  lag_seconds!: number | null;
}

export class ReadyChecks {
  @ApiProperty({ type: CheckReply })
  postgres!: CheckReply;

  @ApiProperty({ type: CheckReply })
  redis!: CheckReply;
}

export class ReadyReply {
  @ApiProperty({ enum: ['ok', 'degraded', 'draining'], example: 'ok' })
  status!: 'ok' | 'degraded' | 'draining';

  @ApiProperty({ type: ReadyChecks })
  checks!: ReadyChecks;
}

export class HealthReplyChecks extends ReadyChecks {
  @ApiProperty({ type: EventsCheckReply })
  events!: EventsCheckReply;
}

export class HealthReply {
  @ApiProperty({ enum: ['ok', 'degraded'], example: 'ok' })
  status!: 'ok' | 'degraded';

  @ApiProperty({ type: String, example: 'user_service' })
  name!: string;

  @ApiProperty({ type: String, example: '0.1.0' })
  version!: string;

  @ApiProperty({ type: Number, example: 86400, description: 'Since this process started.' })
  uptime_seconds!: number;

  @ApiProperty({ type: HealthReplyChecks })
  checks!: HealthReplyChecks;
}
