import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { ValidateBy } from 'class-validator';
import { normaliseEmail } from './email-address';

/** An e-mail address, normalised on the way in. */
export function IsEmailAddress(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => normaliseEmail(value) ?? value),
    ValidateBy({
      name: 'isEmailAddress',
      validator: {
        validate: (value) => normaliseEmail(value) !== null,
        defaultMessage: () => '$property must be an e-mail address',
      },
    }),
  );
}
