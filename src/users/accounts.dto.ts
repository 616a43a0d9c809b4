import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsUUID, ValidateIf } from 'class-validator';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';
import { PageQuery, PageReply } from '../common/pagination';
import { IsEmailAddress } from '../identities/is-email-address.decorator';
import { IsIanaTimezone, IsLocaleTag, IsName, IsPhone } from '../identities/profile-fields.decorators';
import type { UserKind, UserStatus } from '../identities/user.entity';
import { Profile } from './profile.dto';

const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const KINDS = ['person', 'service'] as const;
const LIVING = ['pending_verification', 'active', 'suspended', 'deactivated'] as const;

export class Account extends Profile {
  @ApiProperty({ enum: KINDS, example: 'person' })
  kind!: UserKind;

  @ApiProperty(TIME)
  updated_at!: string;
}

/** An account in a list. */
export class AccountItem extends OmitType(Account, [
  'phone',
  'timezone',
  'locale',
  'avatar_url',
  'oauth_providers',
  'permissions',
  'trading_accounts',
]) {}

export class AccountList extends PageReply {
  @ApiProperty({ type: [AccountItem], description: 'Newest first; by address where `email` was given' })
  items!: AccountItem[];

  @ApiProperty({ example: 1, description: 'All that fit the filters, counted up to 10,000' })
  override total!: number;

  @ApiProperty({ example: true, description: 'False: there are more than `total`' })
  total_is_exact!: boolean;
}

/** Without `example`: Swagger UI would fill them all in, and find nobody. */
export class AccountsQuery extends PageQuery {
  @ApiPropertyOptional({ maxLength: 254, description: 'What the address begins with, for example `asha@`' })
  @Maybe()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.trim().toLowerCase() : value,
  )
  @IsText({ min: 1, max: 254 })
  email?: string;

  @ApiPropertyOptional({ enum: LIVING })
  @Maybe()
  @IsIn(LIVING)
  status?: UserStatus;

  @ApiPropertyOptional({
    maxLength: 64,
    description: 'A role they have been assigned, for example `admin`',
  })
  @Maybe()
  @IsText({ min: 1, max: 64 })
  role?: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description:
      'Those that come after this account: the last `user_id` of the page before. For walking through everything; not together with `offset`.',
  })
  @Maybe()
  @IsUUID('all', { message: '$property must be a user_id' })
  after?: string;
}

export class CreateAccountBody {
  @ApiPropertyOptional({ enum: KINDS, default: 'person', description: 'A service has API keys, no password' })
  @Maybe()
  @IsIn(KINDS)
  kind: UserKind = 'person';

  @ApiPropertyOptional({
    example: 'asha@example.com',
    format: 'idn-email',
    maxLength: 254,
    description: 'Needed for a person; a service has none, and one that is sent is ignored',
  })
  @ValidateIf(({ kind }: CreateAccountBody) => kind !== 'service')
  @IsEmailAddress()
  email?: string;

  @ApiProperty({ example: 'Asha Rao', minLength: 1, maxLength: 255 })
  @IsName()
  name!: string;

  @Maybe()
  @IsPhone()
  phone?: string;

  @ApiPropertyOptional({ example: 'Asia/Kolkata', description: 'IANA time zone', default: 'UTC' })
  @Maybe()
  @IsIanaTimezone()
  timezone: string = 'UTC';

  @ApiPropertyOptional({ example: 'en-IN', description: 'BCP 47 language tag', default: 'en-US' })
  @Maybe()
  @IsLocaleTag()
  locale: string = 'en-US';
}

export class SuspendBody {
  @ApiPropertyOptional({
    example: 'Chargeback under investigation',
    maxLength: 500,
    description:
      'For the audit log: whoever suspends, whoever holds `audit:read`, and subscribers of events see it; the owner of the account does not. Erased 30 days after the deletion of the account, but for what subscribers keep',
  })
  @Maybe()
  @IsText({ min: 1, max: 500 })
  reason?: string;
}

export class SessionsEnded {
  @ApiProperty({ example: 'Signed out everywhere.' })
  message!: string;

  @ApiProperty({ example: 2 })
  sessions_revoked!: number;
}
