import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsOptional } from 'class-validator';
import { IsInstant } from '../../common/is-instant.decorator';
import { PageReply } from '../../common/pagination';
import { IsEmailAddress } from '../../identities/is-email-address.decorator';
import { ACCOUNT_PERMISSIONS, AccountPermission } from '../trading-account';

const ID = { example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' };
const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const END = { ...TIME, nullable: true, type: String };
const EMAIL = { example: 'ravi@example.com', format: 'idn-email' };
const PERMISSIONS = { enum: ACCOUNT_PERMISSIONS, isArray: true, example: ['view', 'trade'] };

export class AddMemberBody {
  @ApiProperty({ ...EMAIL, description: 'Of somebody who has an account here, with a verified address' })
  @IsEmailAddress()
  email!: string;

  @ApiProperty({
    ...PERMISSIONS,
    minItems: 1,
    maxItems: ACCOUNT_PERMISSIONS.length,
    uniqueItems: true,
    description: '`manage`: rename it, and share it on. `view` is always included',
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(ACCOUNT_PERMISSIONS.length)
  @ArrayUnique()
  @IsIn(ACCOUNT_PERMISSIONS, {
    each: true,
    message: `each of $property must be one of ${ACCOUNT_PERMISSIONS.join(', ')}`,
  })
  permissions!: AccountPermission[];

  @ApiPropertyOptional({
    ...END,
    description: 'RFC 3339, at most ten years ahead. Without it: until it is removed',
  })
  @IsOptional()
  @IsInstant()
  expires_at?: string | null;
}

export class MemberItem {
  @ApiProperty(ID)
  membership_id!: string;

  @ApiProperty(ID)
  user_id!: string;

  @ApiProperty({ example: 'Ravi Kumar' })
  name!: string;

  @ApiProperty({
    ...EMAIL,
    nullable: true,
    type: String,
    description: 'For the owner, and whoever invited them by it; null for others',
  })
  email!: string | null;

  @ApiProperty(PERMISSIONS)
  permissions!: AccountPermission[];

  @ApiProperty({ example: 'user:0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33', description: 'Who invited them' })
  granted_by!: string;

  @ApiProperty(TIME)
  created_at!: string;

  @ApiProperty(END)
  expires_at!: string | null;
}

export class MemberList extends PageReply {
  @ApiProperty({ type: [MemberItem] })
  items!: MemberItem[];
}
