import Ajv, { ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { readFileSync } from 'node:fs';

interface Payload {
  allOf: [{ $ref: string }, { properties: Record<string, { const?: string }> }];
}

interface Message {
  name: string;
  summary: string;
  payload: Payload;
  headers?: { $ref: string };
  bindings?: object;
  examples: [{ payload: Record<string, unknown> }];
}

export interface AsyncApi<Channel extends string> {
  asyncapi: string;
  servers: Record<string, { protocol: string; security?: { $ref: string }[] }>;
  channels: Record<Channel, { address: string | null; messages: Record<string, Message> }>;
  operations: Record<string, { action: string; channel: { $ref: string }; messages: { $ref: string }[] }>;
  components: {
    schemas: Record<string, { description?: string; required: string[]; properties: object }>;
    securitySchemes: Record<string, { type: string }>;
  };
}

/** Holds values against a schema of the document, references resolved. @param path as in a reference, without `#/`. */
export function checkOf(document: object, path: string): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema({ ...document, $id: 'asyncapi' });
  return ajv.compile({ $ref: `asyncapi#/${path}` });
}

/** Holds documents against what AsyncAPI 3.0.0 says they are. */
export function asyncApiCheck(): ValidateFunction {
  const schema = JSON.parse(
    readFileSync(require.resolve('@asyncapi/specs/schemas/3.0.0.json'), 'utf8'),
  ) as object;
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false, validateFormats: false });
  // The draft that ajv knows already, under the name it has here.
  const { definitions, ...top } = schema as { definitions: Record<string, object> };
  for (const [name, definition] of Object.entries(definitions))
    if (!name.startsWith('http://json-schema.org/')) ajv.addSchema(definition, name);
  return ajv.compile({ ...top, $id: 'http://asyncapi.com/document' });
}

/** What every reference of the document leads to, undefined where that is nothing. */
export function referenced(document: object): Record<string, unknown> {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
  return Object.fromEntries(
    references.map((path) => [
      path,
      path
        .split('/')
        .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document),
    ]),
  );
}
