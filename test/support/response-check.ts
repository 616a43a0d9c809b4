import Ajv, { ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Response } from 'supertest';
import { noteReply } from './seen-replies';

/** Pages and machine interfaces that the OpenAPI document leaves out on purpose. */
const UNDOCUMENTED =
  /^\/(metrics|docs|redoc|openapi\.json|asyncapi\.json|dev\/(?:mailbox|kite)|verify-email|reset-password)([/?]|$)/;

interface Documented {
  content?: Record<string, { schema?: object; examples?: Record<string, unknown> }>;
}
type Operations = Record<string, { responses: Record<string, Documented> } | undefined>;

/**
 * Compares replies with the OpenAPI document: the status, the error code and every member of the body. Those that are as
 * documented are noted, for what no test got: see `reply-coverage.ts`.
 */
export class ResponseCheck {
  private readonly ajv = new Ajv({ strict: false, allErrors: true });
  private readonly paths: [pattern: RegExp, path: string][];
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(private readonly document: OpenAPIObject) {
    addFormats(this.ajv);
    this.ajv.addFormat('password', true);
    // RFC 6531: letters of every script. What is an address is the service's question.
    this.ajv.addFormat('idn-email', /^[^\s@]+@[^\s@]+\.[^\s@]+$/u);
    this.ajv.addSchema({ $id: 'document', components: closed(document) });
    this.paths = Object.keys(document.paths)
      .sort((a, b) => a.split('{').length - b.split('{').length)
      .map((path) => [new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`), path]);
  }

  /** @throws Error saying how the reply differs from what is documented. */
  check(method: string, url: string, reply: Response): void {
    if (UNDOCUMENTED.test(url)) return;
    const said = `${method} ${url} answered ${reply.status}`;
    const path = this.paths.find(([pattern]) => pattern.test(url.split('?')[0]!))?.[1];
    const operation =
      path && (this.document.paths[path] as unknown as Operations | undefined)?.[method.toLowerCase()];
    if (!operation) {
      if (reply.status === 404 && reply.body.code === 'not_found') return;
      throw new Error(`${said}, and the document knows no such operation`);
    }
    const documented = operation.responses[reply.status];
    if (!documented) throw new Error(`${said}, which is not documented: ${reply.text}`);
    if (!documented.content) {
      if (reply.text) throw new Error(`${said} with a body where none is documented`);
      return noteReply(`${method} ${path}`, reply.status);
    }
    const content = documented.content[reply.type];
    if (!content?.schema) throw new Error(`${said} as ${reply.type}, which is not documented`);
    const code = content.examples && String(reply.body.code);
    if (code !== undefined && !(code in content.examples!)) {
      throw new Error(`${said} with the code ${code}, which is not documented`);
    }
    const validate = this.validator(`${method} ${path} ${reply.status} ${reply.type}`, content.schema);
    if (!validate(reply.type.startsWith('text/') ? reply.text : reply.body)) {
      throw new Error(`${said}, not as documented: ${this.ajv.errorsText(validate.errors)}`);
    }
    noteReply(`${method} ${path}`, reply.status, code);
  }

  private validator(name: string, schema: object): ValidateFunction {
    const known = this.compiled.get(name);
    if (known) return known;
    const text = JSON.stringify(schema).replaceAll('"#/components', '"document#/components');
    const made = this.ajv.compile(JSON.parse(text) as object);
    this.compiled.set(name, made);
    return made;
  }
}

/** The schemas, refusing members they do not name. */
function closed({ components }: OpenAPIObject): object {
  const schemas = Object.entries(components?.schemas ?? {}).map(([name, schema]) => [
    name,
    'type' in schema && schema.type === 'object' ? { ...schema, additionalProperties: false } : schema,
  ]);
  return JSON.parse(JSON.stringify({ schemas: Object.fromEntries(schemas) })) as object;
}
