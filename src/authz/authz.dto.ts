import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsOptional, IsUUID, Matches } from 'class-validator';
import { IsInstant } from '../common/is-instant.decorator';
import { Maybe } from '../common/maybe.decorator';

const ID = { example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', format: 'uuid' };
const TIME = { format: 'date-time', example: '2026-11-22T09:30:00.000Z' };
const END = { ...TIME, nullable: true, type: String };
const PERMISSION = { example: 'user:read', description: '`resource:action`' };
const RESOURCE = /^trading_account:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const REASONS = [
  'role',
  'direct',
  'ownership',
  'membership',
  'no_permission',
  'not_in_api_key',
  'no_access_to_resource',
  'account_not_active',
] as const;

/** The names that the table of permissions can hold. */
const IsPermissionName = (): PropertyDecorator =>
  Matches(/^(?=.{1,100}$)[a-z_]+:[a-z_]+$/, { message: '$property must be of the form resource:action' });

export class PermissionCheckBody {
  @ApiProperty({ ...PERMISSION, maxLength: 100 })
  @IsPermissionName()
  permission!: string;

  @ApiPropertyOptional({
    example: 'trading_account:0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10',
    description:
      'The object it is about: `trading_account:<id>`. Owners have access to theirs; members to what is shared with ' +
      'them, as far as `trading_account:view`, `:trade` or `:manage` is',
  })
  @Maybe()
  @Matches(RESOURCE, { message: '$property must be trading_account:<id>' })
  resource?: string;

  @ApiPropertyOptional({ ...ID, description: 'Whom it is about; you, where it is left out' })
  @Maybe()
  @IsUUID('all')
  user_id?: string;
}

export class PermissionCheckReply {
  @ApiProperty({ example: true })
  allowed!: boolean;

  @ApiProperty({
    enum: REASONS,
    example: 'role',
    description:
      'Where the permission comes from; with `resource` where the access to it comes from. Or why it is refused',
  })
  reason!: (typeof REASONS)[number];

  @ApiProperty({
    example: true,
    description: 'Whether it was answered from the cache alone: never where access to a `resource` was asked',
  })
  cached!: boolean;
}

export class HeldPermissionsQuery {
  // Without an example: Swagger UI would send it.
  @ApiPropertyOptional({ format: 'uuid', description: 'Whose they are; yours, where it is left out' })
  @Maybe()
  @IsUUID('all')
  user_id?: string;
}

export class HeldPermission {
  @ApiProperty({ example: 'trading_account:view' })
  permission!: string;

  @ApiProperty({ enum: ['role', 'direct'], example: 'role' })
  source!: 'role' | 'direct';

  @ApiPropertyOptional({
    example: 'viewer',
    description: 'The role that has it: one of yours, or one that yours includes. Where `source` is `role`',
  })
  role?: string;

  @ApiPropertyOptional({ ...ID, description: 'The grant. Where `source` is `direct`' })
  permission_id?: string;

  @ApiPropertyOptional({ ...END, description: 'End of the grant. Where `source` is `direct`' })
  expires_at?: string | null;
}

export class HeldPermissionList {
  @ApiProperty(ID)
  user_id!: string;

  @ApiProperty({ type: [String], example: ['trader'], description: 'As assigned' })
  roles!: string[];

  @ApiProperty({ type: [HeldPermission] })
  permissions!: HeldPermission[];
}

export class GrantBody {
  @ApiProperty(ID)
  @IsUUID('all')
  user_id!: string;

  @ApiProperty({ ...PERMISSION, maxLength: 100 })
  @IsPermissionName()
  permission!: string;

  @ApiPropertyOptional({ ...END, description: 'RFC 3339, at most ten years ahead. Without it: no end' })
  @IsOptional()
  @IsInstant()
  expires_at?: string | null;
}

export class GrantReply {
  @ApiProperty(ID)
  permission_id!: string;

  @ApiProperty(ID)
  user_id!: string;

  @ApiProperty({ example: 'user:read' })
  permission!: string;

  @ApiProperty({ ...ID, description: 'Who granted it' })
  granted_by!: string;

  @ApiProperty(TIME)
  granted_at!: string;

  @ApiProperty(END)
  expires_at!: string | null;
}

export class RolesBody {
  @ApiProperty({
    type: [String],
    example: ['trader'],
    maxItems: 20,
    description: 'All of them; [] takes every role',
  })
  @IsArray()
  @ArrayMaxSize(20)
  @Matches(/^[\w-]{1,64}$/, { each: true, message: '$property must be names of roles' })
  roles!: string[];
}

export class RolesReply {
  @ApiProperty(ID)
  user_id!: string;

  @ApiProperty({ type: [String], example: ['trader'] })
  roles!: string[];
}
