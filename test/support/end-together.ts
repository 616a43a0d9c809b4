import { Socket } from 'node:net';

/** Both sides of a proxied connection: with one the other ends. @param all to which they are added. */
export function endTogether(client: Socket, upstream: Socket, all: Set<Socket>): void {
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    all.add(socket);
    socket.on('error', () => other.destroy()).on('close', () => other.destroy());
  }
}
