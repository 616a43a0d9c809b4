import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsOptional } from 'class-validator';
import { Maybe } from '../../common/maybe.decorator';
import { PageQuery, PageReply } from '../../common/pagination';
import { IsNickname } from './is-nickname.decorator';
import { IsPreferences } from './is-preferences.decorator';
import { TradingAccountItem } from '../trading-accounts.dto';

const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z', nullable: true, type: String };
const PREFERENCES = {
  type: 'object',
  additionalProperties: true,
  example: { session_expired_mail: true, theme: null },
} as const;

/** Of a query, where anything is text. */
const flag = (value: unknown): unknown => (value === 'true' ? true : value === 'false' ? false : value);

export class TradingAccountsQuery extends PageQuery {
  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description:
      '`true`: your own accounts alone, with their secrets. It takes a second factor and `X-Verification-Token`',
  })
  @Maybe()
  @Transform(({ value }: { value: unknown }) => flag(value))
  @IsBoolean()
  include_credentials: boolean = false;
}

export interface OwnCredentials {
  api_key: string;
  api_secret: string;
  /** Null before the first login. */
  access_token: string | null;
}

export class ListedTradingAccount extends OmitType(TradingAccountItem, ['login_url', 'rotation_login_url']) {
  @ApiPropertyOptional({
    // Not a class of its own: what refers to one cannot be null in OpenAPI 3.0.
    type: 'object',
    properties: {
      api_key: { type: 'string', example: 'kitefront0abc9f3k' },
      api_secret: { type: 'string', example: 'a1b2c3d4e5f6…' },
      access_token: { type: 'string', nullable: true, example: 'Xk3…' },
    },
    required: ['api_key', 'api_secret', 'access_token'],
    nullable: true,
    description: 'Where `include_credentials=true`; null where they cannot be read',
  })
  credentials?: OwnCredentials | null;

  @ApiPropertyOptional({
    example: 'credentials_damaged',
    description: 'The code of the error, where `credentials` is null',
  })
  credentials_error?: string;
}

export class TradingAccountList extends PageReply {
  @ApiProperty({ type: [ListedTradingAccount] })
  items!: ListedTradingAccount[];
}

export class UpdateTradingAccountBody {
  @ApiPropertyOptional({ example: 'Long term', minLength: 1, maxLength: 100, nullable: true, type: String })
  @IsOptional()
  @IsNickname()
  nickname?: string | null;

  @ApiPropertyOptional({
    ...PREFERENCES,
    description:
      'Merged into those there are (RFC 7396): null removes a key. At most 20 keys and 4 KiB, objects and arrays at ' +
      'most 3 deep; a key begins with a letter and has at most 64 letters, digits, and `_ . : -`',
  })
  @Maybe()
  @IsPreferences()
  preferences?: Record<string, unknown>;
}

export class TradingAccountStatus {
  @ApiProperty({ enum: ['pending_login', 'active', 'session_expired', 'invalid'], example: 'active' })
  status!: string;

  @ApiProperty({ example: true, description: 'Active, and the session has not passed its end' })
  credentials_valid!: boolean;

  @ApiProperty(TIME)
  last_verified_at!: string | null;

  @ApiProperty({ ...TIME, description: 'A hint: the broker may end it earlier' })
  session_expires_at!: string | null;
}
