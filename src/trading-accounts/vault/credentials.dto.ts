import { ApiProperty } from '@nestjs/swagger';
import { IsText } from '../../common/is-text.decorator';
import { IsName } from '../../identities/profile-fields.decorators';
import { brokerNames } from '../brokers/broker-adapters';

export class ReadCredentialsBody {
  @ApiProperty({
    example: 'place order 0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
    minLength: 3,
    maxLength: 200,
    description: 'What they are for, on one line. It stays in the audit trail',
  })
  @IsName()
  @IsText({ min: 3, max: 200 })
  reason!: string;
}

export class BrokerCredentials {
  @ApiProperty({ example: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10', format: 'uuid' })
  trading_account_id!: string;

  @ApiProperty({ enum: brokerNames, example: 'kite' })
  broker!: string;

  @ApiProperty({ example: 'AB1234', description: 'As the broker names its user' })
  broker_user_id!: string;

  @ApiProperty({ example: 'kitefront0abc9f3k' })
  api_key!: string;

  @ApiProperty({ example: 'Xk3…' })
  access_token!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-23T00:30:00.000Z',
    nullable: true,
    type: String,
    description: 'A hint: the broker may end it earlier',
  })
  session_expires_at!: string | null;

  @ApiProperty({ enum: ['active'], example: 'active' })
  status!: 'active';
}
