import type { FastifyInstance } from 'fastify';
import { readFile } from 'node:fs/promises';

const SCRIPT = '/redoc/redoc.standalone.js';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>User Service API</title>
<style>body { margin: 0 }</style>
</head>
<body>
<redoc spec-url="/openapi.json"></redoc>
<script src="${SCRIPT}"></script>
</body>
</html>
`;

/** `/redoc`, with its script from our own disk. */
export function serveRedoc(fastify: FastifyInstance): void {
  let script: Promise<Buffer> | undefined;
  fastify.get('/redoc', (_request, reply) => reply.type('text/html; charset=utf-8').send(PAGE));
  fastify.get(SCRIPT, async (_request, reply) => {
    script ??= readFile(require.resolve('redoc/bundles/redoc.standalone.js'));
    return reply
      .type('text/javascript; charset=utf-8')
      .header('Cache-Control', 'public, max-age=86400')
      .send(await script);
  });
}
