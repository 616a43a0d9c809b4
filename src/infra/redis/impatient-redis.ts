import { Socket } from 'node:net';
import { Command, Redis } from 'ioredis';

/** What ioredis makes of a command's deadline. */
const TIMED_OUT = 'Command timed out';
/** What a server answers that has become a replica; of a script too, whose error begins with that of its command. */
const DEMOTED = /^-?(READONLY|MASTERDOWN)\b/;

/**
 * A connection that is given up with the first command that Redis does not answer in time; ioredis itself would go on
 * sending. Commands fail at once until a new connection stands, instead of each waiting for its own deadline; and they
 * do not pile up in front of a Redis that hangs, to be carried out, when it wakes up, for requests that were
 * answered 503 long ago.
 *
 * Given up, too, with the first answer of a server that was demoted. It keeps its connections, so behind an address that
 * follows the primary nothing else would lead to the new one; and what it still answers may be of before a revocation.
 */
export class ImpatientRedis extends Redis {
  /** When it was last given up for that; of `performance.now()`. */
  demotedAt = -Infinity;

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    // The one it goes to: another connection may stand by the time the deadline is over.
    const { stream } = this;
    const read = bytesRead(stream);
    const answer = super.sendCommand(...args);
    giveUpWhenLost(args[0], stream, read);
    args[0].promise.catch(({ message }: Error) => {
      if (!DEMOTED.test(message)) return;
      this.demotedAt = performance.now();
      stream?.destroy(new Error(`gave up the connection: Redis is no primary any more (${message})`));
    });
    return answer;
  }
}

/** The same for a connection that is not ours to make: that of a cluster client to a node. */
export function makeImpatient(redis: Redis): void {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (...args) => {
    const { stream } = redis;
    const read = bytesRead(stream);
    const answer = send(...args);
    giveUpWhenLost(args[0], stream, read);
    return answer;
  };
}

/**
 * Unless anything has come since the command was sent: then Redis answers, and it was this command that was lost. What
 * waits to be read counts, because then it was this process that stood still.
 */
function giveUpWhenLost(command: Command, stream: Redis['stream'] | undefined, read: number): void {
  command.promise.catch((error: Error) => {
    if (error.message !== TIMED_OUT) return;
    setImmediate(() => {
      if (bytesRead(stream) === read)
        stream?.destroy(new Error(`gave up the connection: no answer to ${command.name.toUpperCase()}`));
    });
  });
}

const bytesRead = (stream: Redis['stream'] | undefined): number =>
  stream instanceof Socket ? stream.bytesRead : 0;
