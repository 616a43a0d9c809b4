import type { DoneFuncWithErrOrRes, FastifyInstance, FastifyReply } from 'fastify';

/** So many go at once, that the first does not wait for all who ask at the same time. */
const MOST = 16;

interface Ready {
  reply: FastifyReply;
  done: DoneFuncWithErrOrRes;
}

/**
 * Replies that become ready in the same turn of the event loop are sent one right after the other, at its end. Each write
 * wakes whoever waits at the other end of the connection, often one process for many connections (a gateway, a sidecar):
 * sent one by one, it falls asleep in between, and waking it costs more than the reply. Until then `reply.sent` is false: a
 * handler that is async returns what it sends, or awaits it.
 */
export function sendTogether(fastify: FastifyInstance): void {
  let ready: Ready[] = [];
  const send = (): void => {
    const now = ready;
    ready = [];
    now.forEach(sendOne);
  };
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    const count = ready.push({ reply, done });
    if (count === 1) setImmediate(send);
    else if (count === MOST) send();
  });
}

/** Here nobody else catches what a reply that can't be sent throws: it becomes a 500, or the end of its connection. */
function sendOne({ reply, done }: Ready): void {
  try {
    done();
  } catch (error) {
    try {
      done(error as Error);
    } catch {
      reply.raw.destroy();
    }
  }
}
