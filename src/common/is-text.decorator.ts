import { ValidateBy } from 'class-validator';

interface TextLimits {
  /** Characters, at least; default 0. */
  min?: number;
  /** Characters, at most. */
  max: number;
}

/** Well-formed text: PostgreSQL refuses NUL, and a lone surrogate has no UTF-8 form, so neither may come in. */
export function IsText({ min = 0, max }: TextLimits): PropertyDecorator {
  return ValidateBy({
    name: 'isText',
    validator: {
      validate: (value) => isText(value) && value.length >= min && value.length <= max,
      defaultMessage: (args) => complaint(args?.value, min, max),
    },
  });
}

function complaint(value: unknown, min: number, max: number): string {
  if (value === undefined) return '$property is missing';
  if (typeof value !== 'string') return '$property must be a string';
  if (!isText(value)) return '$property must be well-formed text without NUL';
  return `$property must have ${min > 0 ? `${min} to ${max}` : `at most ${max}`} characters`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && !/\p{Surrogate}/u.test(value);
}
