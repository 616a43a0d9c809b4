import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';

export const TOKEN_DELIVERIES = ['cookie', 'body'] as const;
export type TokenDelivery = (typeof TOKEN_DELIVERIES)[number];

/** What every body that begins a session may wish for. */
export class SignInWish {
  @ApiPropertyOptional({
    example: 'b6f1…',
    description: 'Whatever identifies the device to its owner',
    maxLength: 255,
  })
  @Maybe()
  @IsText({ max: 255 })
  device_fingerprint?: string;

  @ApiPropertyOptional({
    enum: TOKEN_DELIVERIES,
    default: 'cookie',
    description: 'Where the refresh token goes: an HttpOnly cookie (browsers) or the reply (everything else)',
  })
  @Maybe()
  @IsIn(TOKEN_DELIVERIES)
  token_delivery: TokenDelivery = 'cookie';
}
