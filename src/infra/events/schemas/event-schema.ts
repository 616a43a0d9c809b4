import { z } from 'zod';

/** What one type of event says, for those who record it and those who read it. */
export interface EventSchema<S extends z.ZodRawShape = z.ZodRawShape> {
  description: string;
  data: z.ZodObject<S>;
  /** Members of `data` that may name a person: kept apart (personal-data.ts), and gone once they are erased. */
  personal: readonly (keyof S & string)[];
}

/** Declares a type of event. */
export function event<const S extends z.ZodRawShape>(
  description: string,
  data: S,
  personal: readonly (keyof S & string)[] = [],
): EventSchema<S> {
  return { description, data: z.object(data), personal };
}

/** A text, with what it may look like. */
export const text = (example: string): z.ZodString => z.string().meta({ examples: [example] });

export const id = z.uuid().meta({ examples: ['0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10'] });
export const time = z.iso.datetime().meta({ examples: ['2026-01-31T09:30:00.000Z'] });
export const count = z
  .int()
  .nonnegative()
  .meta({ examples: [2] });
