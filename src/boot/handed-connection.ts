import type { Worker } from 'node:cluster';

/**
 * Closes the connection that was on its way to a worker when it died. Node's cluster forgets it: the client would wait in
 * vain, and the primary keep it open for ever. There is one at most, for the next is handed over when this one has arrived;
 * what a worker that retires did not take goes to another.
 */
export function closeHandedConnection(worker: Worker): void {
  const { process } = worker;
  const send = process.send.bind<typeof process.send>(process);
  let handed: { close?: () => void } | undefined;
  process.send = new Proxy(send, {
    apply(target, self, args: [unknown, typeof handed]) {
      handed = args[1] ?? handed;
      return Reflect.apply(target, self, args) as boolean;
    },
  });
  worker.once('exit', (code: number | null) => {
    // One that has arrived is closed here already, and this does nothing.
    if (code !== 0) handed?.close?.();
  });
}
