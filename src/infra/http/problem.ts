import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { ErrorKind } from '../../common/app-error';

/** HTTP status of each kind of error. */
export const statusOf: Record<ErrorKind, number> = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported: 415,
  invalid: 422,
  rate_limited: 429,
  internal: 500,
  bad_answer: 502,
  unavailable: 503,
};

export class ProblemField {
  @ApiProperty({ example: 'email' })
  field!: string;

  @ApiProperty({ example: 'email must be an e-mail address' })
  message!: string;
}

/** The body of every error reply, `application/problem+json` (RFC 9457). */
export class Problem {
  @ApiProperty({ example: 'about:blank', description: 'Always about:blank: `code` tells problems apart.' })
  type!: string;

  @ApiProperty({ example: 'Unprocessable Content' })
  title!: string;

  @ApiProperty({ example: 422 })
  status!: number;

  @ApiProperty({ example: 'Some fields are not valid.' })
  detail!: string;

  @ApiProperty({ example: 'validation_failed', description: 'Stable; made for programs.' })
  code!: string;

  @ApiProperty({ example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10' })
  request_id!: string;

  @ApiPropertyOptional({
    type: [ProblemField],
    description: 'The broken rules, where the body was at fault.',
  })
  errors?: ProblemField[];

  @ApiPropertyOptional({ format: 'uuid', description: 'With `trading_account_exists`: which one.' })
  trading_account_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'With `already_member`: what to remove first.' })
  membership_id?: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description: 'With `permission_already_granted`: what to revoke first.',
  })
  permission_id?: string;

  @ApiPropertyOptional({
    isArray: true,
    enum: ['totp', 'backup_code', 'password', 'sign_in'],
    description: 'With `verification_required`: each of these is a proof.',
  })
  methods?: string[];
}
