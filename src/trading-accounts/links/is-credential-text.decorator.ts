import { Matches } from 'class-validator';

/** Printable ASCII without blanks: what brokers give, and what fits into a header of HTTP. */
export const IsCredentialText = (length: { min: number; max: number }): PropertyDecorator =>
  Matches(new RegExp(`^[\\x21-\\x7e]{${length.min},${length.max}}$`), {
    message: `$property must have ${length.min} to ${length.max} printable ASCII characters without blanks`,
  });
