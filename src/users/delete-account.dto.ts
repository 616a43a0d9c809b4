import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsText } from '../common/is-text.decorator';
import { Maybe } from '../common/maybe.decorator';

export class DeleteAccountBody {
  @ApiPropertyOptional({
    example: 'Ganga-Sunrise-42!',
    format: 'password',
    description: 'Proves your presence where you have a password and no second factor',
  })
  @Maybe()
  @IsText({ max: 1024 })
  password?: string;
}

export class DeleteAccountReply {
  @ApiProperty({ example: 'The account was deleted.' })
  message!: string;

  @ApiProperty({ example: 2 })
  sessions_revoked!: number;

  @ApiProperty({ example: 0 })
  trading_accounts_unlinked!: number;
}
