import type { FastifyInstance } from 'fastify';
import type { Server } from 'node:http';
import { Server as Listener } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 100;
/** For clients that are silent: by then most have asked once more, and were told that it was the last time. */
const LINGER_MS = 10_000;
/** For requests that are under way then: longer than one may take to arrive. */
const LAST_MS = 30_000;

/**
 * A server that is closing closes the connections that are idle at that moment, and no others: one whose reply is
 * still to come would be kept by its client afterwards, and hold the process until the deadline of its shutdown.
 */
export function closeIdleConnections(fastify: FastifyInstance): void {
  fastify.addHook('preClose', (done) => {
    const timer = setInterval(() => fastify.server.closeIdleConnections(), EVERY_MS).unref();
    fastify.server.once('close', () => clearInterval(timer));
    done();
  });
}

/** From now on each reply is the last one on its connection, and says so: whoever keeps connections opens another. */
export function endKeepAlive(server: Server): void {
  server.prependListener('request', (_request, reply) => {
    reply.shouldKeepAlive = false;
  });
}

/**
 * Leaves the port to others and answers whoever is connected, until they have gone. Idle connections stay open for a
 * while: a client may send on one at the very moment that it is closed, and cannot know whether it was heard.
 */
export async function leavePort(server: Server): Promise<void> {
  endKeepAlive(server);
  const gone = new Promise<void>((resolve) => {
    // Not http's own close, which closes idle connections at once.
    Listener.prototype.close.call(server, () => resolve());
  });
  await Promise.race([gone, sleep(LINGER_MS, undefined, { ref: false })]);
  const closing = setInterval(() => server.closeIdleConnections(), EVERY_MS);
  await Promise.race([gone, sleep(LAST_MS, undefined, { ref: false })]);
  clearInterval(closing);
}
