import { applyDecorators } from '@nestjs/common';
import { MaxLength } from 'class-validator';
import { IsName } from '../../identities/profile-fields.decorators';

/** What its owner calls an account: 1 to 100 characters on one line, not all of them blank. */
export const IsNickname = (): PropertyDecorator =>
  applyDecorators(IsName(), MaxLength(100, { message: '$property must have at most 100 characters' }));
