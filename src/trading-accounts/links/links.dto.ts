import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { brokerNames } from '../brokers/broker-adapters';
import { IsCredentialText } from './is-credential-text.decorator';
import { IsNickname } from '../reading/is-nickname.decorator';
import { ACCOUNT_STATUSES, AccountStatus } from '../trading-account';

const KEY = { min: 8, max: 128 };
const TOKEN = { min: 8, max: 512 };
const REQUEST_TOKEN = {
  example: 'rqtkn0123456789abcdefghijklmnopq',
  minLength: TOKEN.min,
  maxLength: TOKEN.max,
};
const NULLABLE = { nullable: true, type: String };

export class CredentialsBody {
  @ApiProperty({
    example: 'kiteapikey9f3k22',
    minLength: KEY.min,
    maxLength: KEY.max,
    description: 'Of your app at the broker',
  })
  @IsCredentialText(KEY)
  api_key!: string;

  @ApiProperty({
    example: 'kiteapisecret0123456789abcdefghi',
    minLength: KEY.min,
    maxLength: KEY.max,
    format: 'password',
    description: 'Its secret: stored encrypted. Only `include_credentials` shows it',
  })
  @IsCredentialText(KEY)
  api_secret!: string;

  @ApiPropertyOptional({
    ...REQUEST_TOKEN,
    ...NULLABLE,
    description:
      'What the broker’s login page has handed back. It proves the secret and the user. It works once',
  })
  @IsOptional()
  @IsCredentialText(TOKEN)
  request_token?: string | null;

  @ApiPropertyOptional({
    ...REQUEST_TOKEN,
    ...NULLABLE,
    description:
      'Instead: a session that is open already. It proves the user and the API key, and nothing of the secret: new ' +
      'credentials of a linked account go on waiting for a login',
  })
  @IsOptional()
  @IsCredentialText(TOKEN)
  access_token?: string | null;
}

export class LinkBody extends CredentialsBody {
  @ApiProperty({ enum: brokerNames, example: 'kite' })
  @IsIn(brokerNames)
  broker!: string;

  @ApiPropertyOptional({ example: 'Long term', minLength: 1, maxLength: 100, ...NULLABLE })
  @IsOptional()
  @IsNickname()
  nickname?: string | null;
}

export class SessionBody {
  @ApiProperty({ ...REQUEST_TOKEN, description: 'What the broker’s login page has handed back' })
  @IsCredentialText(TOKEN)
  request_token!: string;

  @ApiPropertyOptional({
    enum: ['staged', 'current'],
    example: 'current',
    nullable: true,
    description:
      'Which credentials the login was made with. Default: those that wait for it, else those in force',
  })
  @IsOptional()
  @IsIn(['staged', 'current'])
  use?: 'staged' | 'current' | null;
}

export class VerifiedReply {
  @ApiProperty({ enum: ACCOUNT_STATUSES.filter((status) => status !== 'unlinked'), example: 'active' })
  status!: AccountStatus;

  @ApiProperty({ example: true, description: 'Whether the broker accepts them at this moment' })
  credentials_valid!: boolean;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-22T09:30:00.000Z',
    nullable: true,
    type: String,
    description: 'When the broker accepted them last',
  })
  last_verified_at!: string | null;

  @ApiProperty({ example: 'The session at the broker lives.', description: 'For people' })
  message!: string;
}

export class UnlinkedReply {
  @ApiProperty({ example: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10', format: 'uuid' })
  trading_account_id!: string;

  @ApiProperty({ example: 'The account was unlinked, and logged out at the broker.' })
  message!: string;
}
