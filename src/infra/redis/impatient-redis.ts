import { Socket } from 'node:net';
import { Redis } from 'ioredis';

/** What ioredis makes of a command's deadline. */
const TIMED_OUT = 'Command timed out';

/**
 * A connection that is given up with the first command that Redis does not answer in time; ioredis itself would go on
 * sending. Commands fail at once until a new connection stands, instead of each waiting for its own deadline; and they
 * do not pile up in front of a Redis that hangs, to be carried out, when it wakes up, for requests that were
 * answered 503 long ago.
 */
export class ImpatientRedis extends Redis {
  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    const [command] = args;
    // The one it goes to: another connection may stand by the time the deadline is over.
    const { stream } = this;
    const answer = super.sendCommand(...args);
    command.promise.catch((error: Error) => {
      if (error.message === TIMED_OUT) destroyIfSilent(stream);
    });
    return answer;
  }
}

/** Unless bytes are waiting to be read: then Redis was in time, and it was this process that stood still. */
function destroyIfSilent(stream: Redis['stream'] | undefined): void {
  const read = stream instanceof Socket ? stream.bytesRead : 0;
  setImmediate(() => {
    if (!(stream instanceof Socket) || stream.bytesRead === read) stream?.destroy();
  });
}
