import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';
import { IsEmailAddress } from '../identities/is-email-address.decorator';

const EMAIL = { example: 'asha@example.com', format: 'idn-email', maxLength: 254 };
const NEW_PASSWORD = {
  example: 'Kaveri-Morning-77?',
  format: 'password',
  description: 'Same rules as at sign-up',
};
const MAX_SECRET = 1024;

export class ResetRequestBody {
  @ApiProperty(EMAIL)
  @IsEmailAddress()
  email!: string;
}

export class ResetRequestReply {
  @ApiProperty(EMAIL)
  email!: string;

  @ApiProperty({ example: 'If this address has an account, a mail with a link is on its way.' })
  message!: string;

  @ApiProperty({ example: 30 })
  expires_in_minutes!: number;
}

export class ResetBody {
  @ApiProperty({ example: 'mN4tYw…', description: 'The token from the mailed link' })
  @IsText({ max: MAX_SECRET })
  token!: string;

  @ApiProperty(NEW_PASSWORD)
  @IsText({ max: MAX_SECRET })
  new_password!: string;
}

export class MessageReply {
  @ApiProperty({ example: 'Your password was changed. Sign in with the new one.' })
  message!: string;
}

export class ChangePasswordBody {
  @ApiProperty({ example: 'Ganga-Sunrise-42!', format: 'password' })
  @IsText({ max: MAX_SECRET })
  current_password!: string;

  @ApiProperty(NEW_PASSWORD)
  @IsText({ max: MAX_SECRET })
  new_password!: string;

  @ApiPropertyOptional({ default: false, description: 'Sign out everywhere else' })
  @Maybe()
  @IsBoolean()
  revoke_other_sessions: boolean = false;
}

export class ChangePasswordReply {
  @ApiProperty({ example: 'Your password was changed.' })
  message!: string;

  @ApiProperty({ example: 0 })
  sessions_revoked!: number;
}
