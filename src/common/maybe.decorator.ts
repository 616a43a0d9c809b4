import { ValidateIf } from 'class-validator';

/** The member may be left out; `null` is a value like any other and is checked. */
export const Maybe = (): PropertyDecorator => ValidateIf((_object, value) => value !== undefined);
