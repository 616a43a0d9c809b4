import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { PageReply } from '../../common/pagination';
import type { AuditKey } from './audit-key';

const KID = 'Z0yfBHX4OD6e4rJYS2ZnNDdUW2gAYQ6DPBhw6hP0MbQ';

export class SealItem {
  @ApiProperty({ format: 'date', example: '2026-11-22', description: 'UTC' })
  day!: string;

  @ApiProperty({ example: 1201, description: 'Of the first event of the day in the hash chain' })
  first_position!: number;

  @ApiProperty({ example: 1388, description: 'Of the last; one less than the first on a day without events' })
  last_position!: number;

  @ApiProperty({
    example: '5f0c2a8e6c0a4c0f9e6f2b7ad1d0c1a52f1f3a6f1c0b8a7e9d4c3b2a1f0e9d8c',
    description: 'The hash of the chain at the end of the day, hexadecimal',
  })
  head!: string;

  @ApiProperty({ example: KID, description: 'The key that signed it' })
  kid!: string;

  @ApiProperty({
    example: 'eyJhbGciOiJSUzI1NiIsInR5cCI6ImF1ZGl0LXNlYWwrand0Iiwia2lkIjoi…',
    description:
      'The same, signed: a compact JWS (RS256, `typ` `audit-seal+jwt`) of `{iss, day, first_position, last_position, ' +
      'head, previous, iat}`; `previous` is the SHA-256 (base64url) of the JWS of the day before, null for the first',
  })
  jws!: string;
}

export class SealKey {
  @ApiProperty({ enum: ['RSA'] })
  kty!: 'RSA';

  @ApiProperty({ enum: ['sig'] })
  use!: 'sig';

  @ApiProperty({ example: KID, description: 'Its RFC 7638 thumbprint' })
  kid!: string;

  @ApiProperty({ enum: ['RS256'] })
  alg!: 'RS256';

  @ApiProperty({ example: 'u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0…' })
  n!: string;

  @ApiProperty({ example: 'AQAB' })
  e!: string;

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'It was taken out of force then: a seal of a later time is a forgery',
  })
  revoked_at?: string;
}

export class SealList extends PageReply {
  @ApiProperty({ type: [SealItem] })
  seals!: SealItem[];

  @ApiProperty({ type: [SealKey], description: 'Every key that has ever signed seals, on each page' })
  keys!: AuditKey[];
}
