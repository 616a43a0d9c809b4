import { once } from 'node:events';
import { AddressInfo, connect, createServer, Socket } from 'node:net';
import { endTogether } from './end-together';

/** An address that leads somewhere else from one moment on, as a name or a virtual address does: not for connections that stand. */
export interface Address {
  /** The same URL, but for where it leads. */
  url: string;
  leadTo(url: string): void;
  stop(): void;
}

/** @param url of a server; user, password and database are kept. */
export async function startAddress(url: string): Promise<Address> {
  let target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    endTogether(client, upstream, sockets);
    client.pipe(upstream).pipe(client);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href,
    leadTo: (next) => {
      target = new URL(next);
    },
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
