import { z } from 'zod';

/** A schema of JSON Schema draft 7, of which AsyncAPI's are a superset. */
export type JsonSchema = Record<string, unknown>;

/** Open for members to come, and without the patterns that only repeat what a `format` says. */
export function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    override: ({ jsonSchema: made }) => {
      if (made.format !== undefined) delete made.pattern;
      if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
    },
  });
  return rest;
}

/** A value that the schema takes: its own example, or the first of what it lists, with every member it names. */
export function exampleOf(schema: JsonSchema): unknown {
  if ('const' in schema) return schema.const;
  const [first] = (schema.examples ?? schema.enum ?? schema.anyOf ?? []) as unknown[];
  if (schema.anyOf) return exampleOf(first as JsonSchema);
  if (first !== undefined) return first;
  if (schema.type === 'array') return [exampleOf(schema.items as JsonSchema)];
  if (schema.type === 'boolean') return true;
  if (schema.type !== 'object') throw new Error(`no example of ${JSON.stringify(schema)}`);
  const members = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  return Object.fromEntries(members.map(([name, member]) => [name, exampleOf(member)]));
}
