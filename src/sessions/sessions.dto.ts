import { ApiProperty } from '@nestjs/swagger';

const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };

export class SessionItem {
  @ApiProperty({ example: '0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33', format: 'uuid' })
  session_id!: string;

  @ApiProperty({ example: 'b6f1…', nullable: true, type: String })
  device_fingerprint!: string | null;

  @ApiProperty({ example: 'Mozilla/5.0 (X11; Linux x86_64) …', nullable: true, type: String })
  user_agent!: string | null;

  @ApiProperty({ example: '203.0.113.7' })
  ip!: string;

  @ApiProperty({
    example: 'IN',
    nullable: true,
    type: String,
    description: 'ISO 3166-1 alpha-2, from an offline database',
  })
  country!: string | null;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty({ ...TIME, description: 'Last refresh' })
  last_active_at!: string;

  @ApiProperty({ ...TIME, description: 'End without further activity' })
  expires_at!: string;

  @ApiProperty({ example: false })
  mfa_verified!: boolean;

  @ApiProperty({ example: true, description: 'The session that asks' })
  current!: boolean;
}

export class SessionList {
  @ApiProperty({ type: [SessionItem] })
  sessions!: SessionItem[];

  @ApiProperty({ example: 1 })
  total!: number;
}
