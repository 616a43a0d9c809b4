import { ValidationError, ValidationPipe } from '@nestjs/common';
import { FieldError } from '../../common/app-error';
import { validationFailed } from '../../common/common.errors';

/** Checks bodies and queries against their classes. Members the class does not know are dropped, never passed on. */
export const validationPipe = (): ValidationPipe =>
  new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidUnknownValues: true,
    stopAtFirstError: false,
    exceptionFactory: (errors) => validationFailed({ fields: errors.flatMap((error) => fieldErrors(error)) }),
  });

function fieldErrors(error: ValidationError, path = ''): FieldError[] {
  const field = path + error.property;
  return [
    ...Object.values(error.constraints ?? {}).map((message) => ({ field, message })),
    ...(error.children ?? []).flatMap((child) => fieldErrors(child, `${field}.`)),
  ];
}
