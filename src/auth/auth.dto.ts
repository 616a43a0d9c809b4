import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';
import { IsEmailAddress } from '../identities/is-email-address.decorator';
import { IsIanaTimezone, IsLocaleTag, IsName, IsPhone } from '../identities/profile-fields.decorators';
import type { UserStatus } from '../identities/user.entity';
import { SignInWish } from './sign-in-wish.dto';

const EMAIL = { example: 'asha@example.com', format: 'idn-email', maxLength: 254 };
const PASSWORD = { example: 'Ganga-Sunrise-42!', format: 'password' };
const TOKEN = { example: 'mN4tYw…', description: 'The token from the mailed link' };
/** Longer than any password or token of ours, and far from anything that takes time. */
const MAX_SECRET = 1024;

export class RegisterBody {
  @ApiProperty(EMAIL)
  @IsEmailAddress()
  email!: string;

  @ApiProperty({
    ...PASSWORD,
    description:
      '12 or more characters with upper and lower case, a digit and a special character; not your name or address, not easy to guess, at most 72 bytes.',
  })
  @IsText({ max: MAX_SECRET })
  password!: string;

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

export class RegisterReply {
  @ApiProperty(EMAIL)
  email!: string;

  @ApiProperty({ enum: ['pending_verification'] })
  status!: 'pending_verification';

  @ApiProperty({ example: true })
  verification_email_sent!: boolean;

  @ApiProperty({ example: '2026-11-22T09:30:00.000Z', format: 'date-time' })
  created_at!: string;
}

export class LoginBody extends SignInWish {
  @ApiProperty(EMAIL)
  @IsEmailAddress()
  email!: string;

  @ApiProperty(PASSWORD)
  @IsText({ max: MAX_SECRET })
  password!: string;

  @ApiPropertyOptional({ default: false, description: 'Stay signed in: 90 days instead of one' })
  @Maybe()
  @IsBoolean()
  persist_session: boolean = false;
}

export class SignedInUser {
  @ApiProperty({ example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' })
  user_id!: string;

  @ApiProperty(EMAIL)
  email!: string;

  @ApiProperty({ example: 'Asha Rao' })
  name!: string;

  @ApiProperty({ enum: ['pending_verification', 'active'] })
  status!: UserStatus;

  @ApiProperty({ type: [String], example: ['trader'] })
  roles!: string[];

  @ApiProperty({ example: false })
  mfa_enabled!: boolean;

  @ApiProperty({ example: true })
  email_verified!: boolean;
}

class AccessTokenReply {
  @ApiProperty({
    example: 'eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6Ii4uLiJ9…',
    description: 'RS256 JWT (RFC 9068)',
  })
  access_token!: string;

  @ApiProperty({ enum: ['Bearer'] })
  token_type!: 'Bearer';

  @ApiProperty({ example: 900, description: 'Seconds' })
  expires_in!: number;

  @ApiProperty({ example: null, nullable: true, type: String, description: 'Null where it is in the cookie' })
  refresh_token!: string | null;

  @ApiProperty({ example: '0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33', format: 'uuid' })
  session_id!: string;
}

export class RefreshReply extends AccessTokenReply {}

export class TokenReply extends AccessTokenReply {
  @ApiProperty({ type: SignedInUser })
  user!: SignedInUser;

  @ApiPropertyOptional({
    example: false,
    description: 'Sign-in with Google alone: whether it has made the account',
  })
  is_new_user?: boolean;
}

export class MfaReply {
  @ApiProperty({ enum: ['mfa_required'] })
  status!: 'mfa_required';

  @ApiProperty({ example: 'q8Zk…', description: 'For POST /v1/auth/mfa/verify alone: 5 minutes, 5 tries' })
  mfa_token!: string;

  @ApiProperty({ type: [String], example: ['totp', 'backup_code'] })
  methods!: string[];

  @ApiProperty({ example: 300, description: 'Seconds' })
  expires_in!: number;

  @ApiProperty({ example: 'Enter the code of your authenticator, or a backup code.' })
  message!: string;
}

export class RefreshBody {
  @ApiPropertyOptional({ example: 'pQ0y…', description: 'Needed where there is no cookie; wins over it' })
  @Maybe()
  @IsText({ max: MAX_SECRET })
  refresh_token?: string;
}

export class LogoutBody {
  @ApiPropertyOptional({ default: false, description: 'Sign out everywhere' })
  @Maybe()
  @IsBoolean()
  all_devices: boolean = false;
}

export class LogoutReply {
  @ApiProperty({ example: 'Signed out.' })
  message!: string;

  @ApiProperty({ example: 1 })
  sessions_revoked!: number;
}

export class VerifyEmailBody {
  @ApiProperty(TOKEN)
  @IsText({ max: MAX_SECRET })
  token!: string;
}

export class VerifyEmailReply {
  @ApiProperty(EMAIL)
  email!: string;

  @ApiProperty({ enum: ['active'] })
  status!: 'active';
}

export class ResendBody {
  @ApiProperty(EMAIL)
  @IsEmailAddress()
  email!: string;
}

export class ResendReply {
  @ApiProperty({ example: 'If this address has an account that is not verified, a mail is on its way.' })
  message!: string;
}
