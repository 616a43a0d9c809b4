import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsOptional, Matches } from 'class-validator';
import { IsInstant } from '../common/is-instant.decorator';
import { PageReply } from '../common/pagination';
import { IsName } from '../identities/profile-fields.decorators';

const ID = { example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' };
const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const NAME = { example: 'Order router, production', minLength: 1, maxLength: 255 };
const PERMISSION = 'authz:check';

export class CreateApiKeyBody {
  @ApiProperty(NAME)
  @IsName()
  name!: string;

  @ApiProperty({
    type: [String],
    example: [PERMISSION],
    minItems: 1,
    maxItems: 100,
    uniqueItems: true,
    description: 'What the key may do at most: at each use only what the account holds then',
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @Matches(/^[a-z_]{1,64}:[a-z_]{1,64}$/, {
    each: true,
    message: `each of $property must be a permission such as ${PERMISSION}`,
  })
  permissions!: string[];

  @ApiPropertyOptional({ ...TIME, nullable: true, type: String, description: 'Default: never' })
  @IsOptional()
  @IsInstant()
  expires_at?: string | null;
}

export class ApiKeyItem {
  @ApiProperty(ID)
  key_id!: string;

  @ApiProperty({ ...ID, description: 'The account it stands for' })
  user_id!: string;

  @ApiProperty(NAME)
  name!: string;

  @ApiProperty({ example: 'us_live_4fK9', description: 'The first characters of the key' })
  prefix!: string;

  @ApiProperty({
    type: [String],
    example: [PERMISSION],
    description: 'The most that it allows: at each use only what the account holds then',
  })
  permissions!: string[];

  @ApiProperty({ example: 'user:0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33', description: 'Who made it' })
  created_by!: string;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty({ ...TIME, nullable: true, type: String })
  expires_at!: string | null;

  @ApiProperty({ ...TIME, nullable: true, type: String, description: 'Up to 30 seconds late' })
  last_used_at!: string | null;
}

export class CreatedApiKey {
  @ApiProperty({
    example: 'us_live_4fK9…',
    description: 'Shown once: only its hash is kept',
  })
  api_key!: string;

  @ApiProperty({ type: ApiKeyItem })
  key!: ApiKeyItem;
}

export class ApiKeyList extends PageReply {
  @ApiProperty({ type: [ApiKeyItem] })
  items!: ApiKeyItem[];
}
