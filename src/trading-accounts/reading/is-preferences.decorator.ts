import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { ValidateBy } from 'class-validator';
import { preferencesProblem } from './preferences';

/** A change of preferences: an object of JSON, within bounds. */
export const IsPreferences = (): PropertyDecorator =>
  applyDecorators(
    // As it came: class-transformer would rebuild it by rules of its own.
    Transform(({ obj, key }: { obj: Record<string, unknown>; key: string }) => obj[key]),
    ValidateBy({
      name: 'isPreferences',
      validator: {
        validate: (value) => preferencesProblem(value) === undefined,
        defaultMessage: (args) => `$property ${preferencesProblem(args?.value)}`,
      },
    }),
  );
