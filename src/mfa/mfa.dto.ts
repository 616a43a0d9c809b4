import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';
import type { SecondFactorMethod } from '../infra/events/event-types';

/** Far more than any code with spaces in it. */
const MAX_CODE = 64;
const MAX_SECRET = 1024;
const BACKUP_CODES = {
  type: String,
  isArray: true,
  example: ['7KQ2-M9XD', 'B4TN-0WHE'],
  description: 'Eight codes that work once each, in place of the authenticator. Shown this once.',
};

/** Six digits of the authenticator, or a backup code: what every operation of the second factor takes. */
export class MfaCodeBody {
  @ApiProperty({
    example: '287082',
    maxLength: MAX_CODE,
    description:
      'Six digits of the authenticator, or a backup code; spaces, dashes and letter case do not matter',
  })
  @IsText({ max: MAX_CODE })
  code!: string;
}

export class TotpSetupReply {
  @ApiProperty({ example: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', description: 'Base32, to be typed in' })
  secret!: string;

  @ApiProperty({
    example:
      'otpauth://totp/user_service:asha%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=user_service&algorithm=SHA1&digits=6&period=30',
  })
  provisioning_uri!: string;

  @ApiProperty({ example: 'data:image/png;base64,iVBORw0KGgo…', description: 'The URI as a picture' })
  qr_code!: string;

  @ApiProperty({ example: 600, description: 'Seconds to confirm it in' })
  expires_in!: number;
}

export class EnableTotpReply {
  @ApiProperty({ enum: [true] })
  mfa_enabled!: true;

  @ApiProperty(BACKUP_CODES)
  backup_codes!: string[];
}

export class VerifyTotpReply {
  @ApiProperty({ enum: [true] })
  verified!: true;

  @ApiProperty({ enum: ['totp', 'backup_code'] })
  method!: SecondFactorMethod;

  @ApiProperty({
    example: 'q8Zk…',
    description: 'For the header `X-Verification-Token` of one sensitive call of this session',
  })
  verification_token!: string;

  @ApiProperty({ example: 300, description: 'Seconds' })
  expires_in!: number;
}

export class DisableTotpBody extends MfaCodeBody {
  @ApiPropertyOptional({
    example: 'Ganga-Sunrise-42!',
    format: 'password',
    description: 'Needed wherever the account has one',
  })
  @Maybe()
  @IsText({ max: MAX_SECRET })
  password?: string;
}

export class DisableTotpReply {
  @ApiProperty({ enum: [false] })
  mfa_enabled!: false;
}

export class BackupCodesReply {
  @ApiProperty(BACKUP_CODES)
  backup_codes!: string[];
}
