import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** The wanted port if nobody else has it, else another free one; on the loopback address. */
export async function freePort(wanted?: number): Promise<number> {
  return (wanted && (await tryPort(wanted))) || (await tryPort(0)) || freePort();
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, LOOPBACK, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
