import { ApiProperty } from '@nestjs/swagger';
import { IsText } from '../common/is-text.decorator';
import { MfaCodeBody } from '../mfa/mfa.dto';

export class VerifyMfaBody extends MfaCodeBody {
  @ApiProperty({ example: 'q8Zk…', description: 'From the sign-in' })
  @IsText({ max: 1024 })
  mfa_token!: string;
}
