import { createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A server that answers with whatever bytes it is told to, HTTP or not. */
export interface HostileServer {
  url: string;
  /** What it was sent, request by request. */
  received: string[];
  /** @param act does what it likes with the connection, once the head of a request has come. */
  answer(act: (socket: Socket, request: number) => void): void;
  stop(): Promise<void>;
}

export async function startHostileServer(): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  const received: string[] = [];
  let act = (socket: Socket, _request: number): void => void socket.destroy();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let text = '';
    let isAnswered = false;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (isAnswered || !isWhole(text)) return;
      isAnswered = true;
      received.push(text);
      act(socket, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answer: (next) => (act = next),
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const [, length = '0'] = /content-length: (\d+)/i.exec(text) ?? [];
  return text.length >= end + 4 + Number(length);
}

/** The bytes of a reply. */
export function reply(status: number, body: string | Buffer, headers: Record<string, string> = {}): Buffer {
  const bytes = Buffer.from(body);
  const all = { 'Content-Type': 'application/json', 'Content-Length': String(bytes.length), ...headers };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${head.join('')}\r\n`), bytes]);
}
