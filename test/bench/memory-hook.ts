/** Loaded into the service before it starts: tells, when asked, what is left after a garbage collection. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface MemoryReply {
  /** Bytes, see `process.memoryUsage`. */
  rss: number;
  heapTotal: number;
  heapUsed: number;
  external: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('message', (question) => {
  if (question !== 'memory') return;
  // Twice: what a finalizer lets go of goes with the second.
  collect();
  setTimeout(() => {
    collect();
    process.send?.(process.memoryUsage() satisfies MemoryReply);
  }, 500);
});
process.channel?.unref();
