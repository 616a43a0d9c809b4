import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';
import { SignInWish } from './sign-in-wish.dto';

/** Longer than any code or state of Google's or ours. */
const MAX_PARAMETER = 2048;

export class GoogleStartBody {
  @ApiPropertyOptional({
    example: 'https://app.example.com/signed-in',
    description:
      'Where Google sends the browser back to: one of those configured. Default: the first of them',
    maxLength: MAX_PARAMETER,
  })
  @Maybe()
  @IsText({ max: MAX_PARAMETER })
  redirect_uri?: string;
}

export class GoogleStartReply {
  @ApiProperty({
    example: 'https://accounts.google.com/o/oauth2/v2/auth?client_id=…&state=…',
    description: 'Send the browser there',
  })
  authorization_url!: string;

  @ApiProperty({ example: 'V2h5…', description: 'What Google will send back: compare it. 10 minutes, once' })
  state!: string;

  @ApiProperty({ enum: ['google'] })
  provider!: 'google';
}

export class GoogleCallbackBody extends SignInWish {
  @ApiProperty({
    example: '4/0AX4…',
    description: '`code` of the address that Google sent the browser back to',
    minLength: 1,
    maxLength: MAX_PARAMETER,
  })
  @IsText({ min: 1, max: MAX_PARAMETER })
  code!: string;

  @ApiProperty({ example: 'V2h5…', description: '`state` of the same address', maxLength: MAX_PARAMETER })
  @IsText({ max: MAX_PARAMETER })
  state!: string;

  @ApiPropertyOptional({ default: true, description: 'Stay signed in: 90 days instead of one' })
  @Maybe()
  @IsBoolean()
  persist_session: boolean = true;
}
