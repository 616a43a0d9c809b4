import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ACCOUNT_PERMISSIONS, ACCOUNT_STATUSES, AccountPermission, AccountStatus } from './trading-account';
import { brokerNames } from './brokers/broker-adapters';

const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const MAYBE_TIME = { ...TIME, nullable: true, type: String };

export class TradingAccountItem {
  @ApiProperty({ example: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10', format: 'uuid' })
  trading_account_id!: string;

  @ApiProperty({ enum: brokerNames, example: 'kite' })
  broker!: string;

  @ApiProperty({
    example: 'AB1234',
    nullable: true,
    type: String,
    description: 'As the broker names its user; null until the first login',
  })
  broker_user_id!: string | null;

  @ApiProperty({ example: 'Long term', nullable: true, type: String })
  nickname!: string | null;

  @ApiProperty({
    enum: ACCOUNT_STATUSES.filter((status) => status !== 'unlinked'),
    example: 'active',
    description:
      '`pending_login`: the first login is missing. `session_expired`: log in again. `invalid`: the credentials are ' +
      'not accepted, or not to be trusted: log in again, rotate them, or unlink the account',
  })
  status!: AccountStatus;

  @ApiProperty({ example: true })
  is_owner!: boolean;

  @ApiProperty({
    enum: ACCOUNT_PERMISSIONS,
    isArray: true,
    example: ['view', 'trade', 'manage'],
    description: 'What you may do with it',
  })
  permissions!: AccountPermission[];

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { session_expired_mail: true },
    description:
      'Whatever applications keep there. `session_expired_mail: true` mails the owner when to log in',
  })
  preferences!: Record<string, unknown>;

  @ApiProperty({ ...MAYBE_TIME, description: 'When the first login proved it' })
  linked_at!: string | null;

  @ApiProperty(MAYBE_TIME)
  last_verified_at!: string | null;

  @ApiProperty({ ...MAYBE_TIME, description: 'A hint: the broker may end it earlier' })
  session_expires_at!: string | null;

  @ApiProperty({ example: '••••••••••••9f3k' })
  api_key_masked!: string;

  @ApiProperty({ example: false, description: 'Whether new credentials wait for the login that proves them' })
  rotation_pending!: boolean;

  @ApiPropertyOptional({
    example: 'https://kite.zerodha.com/connect/login?v=3&api_key=…',
    description:
      'Where the owner logs in at the broker. For the owner alone, while the account is not active: of its first ' +
      'credentials, or of those in force. The broker sends the browser back with `trading_account_id`, with `use` ' +
      'where other credentials wait, and with the `request_token` for `…/session`',
  })
  login_url?: string;

  @ApiPropertyOptional({
    example: 'https://kite.zerodha.com/connect/login?v=3&api_key=…',
    description: 'The same for new credentials, while `rotation_pending`',
  })
  rotation_login_url?: string;
}
