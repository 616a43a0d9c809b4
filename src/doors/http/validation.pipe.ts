import { ValidationError, ValidationPipe } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';
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

type Storage = ReturnType<typeof getMetadataStorage>;
type RulesOf = Storage['getTargetValidationMetadatas'];

/**
 * class-validator finds the rules of a class anew for each body, and for that compares it with every other class that has
 * any. None comes to a class once bodies are read; rules in groups, of which we have none, are found anew.
 */
function rememberRules(): void {
  const storage = getMetadataStorage();
  const find: RulesOf = storage.getTargetValidationMetadatas.bind(storage);
  const known = new Map<unknown, ReturnType<RulesOf>>();
  storage.getTargetValidationMetadatas = (target, schema, always, strictGroups, groups) => {
    if (always || strictGroups || groups?.length) return find(target, schema, always, strictGroups, groups);
    let rules = known.get(target);
    if (!rules) known.set(target, (rules = find(target, schema, always, strictGroups, groups)));
    return rules;
  };
}

function fieldErrors(error: ValidationError, path = ''): FieldError[] {
  const field = path + error.property;
  return [
    ...Object.values(error.constraints ?? {}).map((message) => ({ field, message })),
    ...(error.children ?? []).flatMap((child) => fieldErrors(child, `${field}.`)),
  ];
}

rememberRules();
