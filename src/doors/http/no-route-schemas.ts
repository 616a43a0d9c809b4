import type { FastifyServerOptions } from 'fastify';

const refuse = (): never => {
  throw new Error('a route has a JSON schema: bodies are validated by their DTO classes');
};

/**
 * Fastify's own validation and serialisation by JSON schema, which no route here uses: with a compiler given it does not
 * load Ajv and fast-json-stringify, the longest single part of making the application.
 */
export const noRouteSchemas: FastifyServerOptions['schemaController'] = {
  compilersFactory: { buildValidator: () => refuse, buildSerializer: () => refuse },
};
