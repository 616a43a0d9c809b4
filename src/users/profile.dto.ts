import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { Maybe } from '../common/maybe.decorator';
import {
  IsHttpsUrl,
  IsIanaTimezone,
  IsLocaleTag,
  IsName,
  IsPhone,
} from '../identities/profile-fields.decorators';
import type { UserStatus } from '../identities/user.entity';

const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const AVATAR = { example: 'https://cdn.example.com/a/asha.png', nullable: true, type: String };

export class Profile {
  @ApiProperty({ example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' })
  user_id!: string;

  @ApiProperty({ example: 'asha@example.com', format: 'idn-email', nullable: true, type: String })
  email!: string | null;

  @ApiProperty({ example: true })
  email_verified!: boolean;

  @ApiProperty({ example: 'Asha Rao' })
  name!: string;

  @ApiProperty({ example: '+919876543210', nullable: true, type: String })
  phone!: string | null;

  @ApiProperty({ example: 'Asia/Kolkata' })
  timezone!: string;

  @ApiProperty({ example: 'en-IN' })
  locale!: string;

  @ApiProperty(AVATAR)
  avatar_url!: string | null;

  @ApiProperty({ enum: ['pending_verification', 'active', 'suspended', 'deactivated'], example: 'active' })
  status!: UserStatus;

  @ApiProperty({ example: false })
  mfa_enabled!: boolean;

  @ApiProperty({ type: [String], example: [] })
  oauth_providers!: string[];

  @ApiProperty({ type: [String], example: ['trader'] })
  roles!: string[];

  @ApiProperty({ type: [String], example: ['trading_account:link', 'trading_account:view'] })
  permissions!: string[];

  @ApiProperty({
    type: [String],
    example: ['0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10'],
    description: 'Ids of those owned or shared, sorted; at most a hundred, the own ones first',
  })
  trading_accounts!: string[];

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty({ ...TIME, nullable: true, type: String })
  last_login_at!: string | null;
}

export class UpdateProfileBody {
  @ApiPropertyOptional({ example: 'Asha Rao', minLength: 1, maxLength: 255 })
  @Maybe()
  @IsName()
  name?: string;

  @IsOptional()
  @IsPhone()
  phone?: string | null;

  @ApiPropertyOptional({ example: 'Asia/Kolkata', description: 'IANA time zone' })
  @Maybe()
  @IsIanaTimezone()
  timezone?: string;

  @ApiPropertyOptional({ example: 'en-IN', description: 'BCP 47 language tag' })
  @Maybe()
  @IsLocaleTag()
  locale?: string;

  @ApiPropertyOptional({ ...AVATAR, description: 'https only; null removes it' })
  @IsOptional()
  @IsHttpsUrl()
  avatar_url?: string | null;
}

export class PublicProfile {
  @ApiProperty({ example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' })
  user_id!: string;

  @ApiProperty({ example: 'Asha Rao' })
  name!: string;

  @ApiProperty(AVATAR)
  avatar_url!: string | null;

  @ApiProperty(TIME)
  created_at!: string;
}
