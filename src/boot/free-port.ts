import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Config } from '../config/config';

/**
 * Asks for the port of the HTTP door before anything slow is started.
 * @throws Error naming who has it, as far as that can be seen.
 */
export async function requireFreePort({ HOST, PORT }: Config): Promise<void> {
  const code = await tryToListen(HOST, PORT);
  if (code === 'EADDRINUSE') {
    throw new Error(`port ${PORT} is taken${by(ownerOf(PORT))}. Stop that, or start with PORT=${PORT + 1}`);
  }
  if (code === 'EACCES') throw new Error(`port ${PORT} is not for everybody: choose one above 1023 in PORT`);
  if (code) throw new Error(`the service can't listen on ${HOST}, port ${PORT} (${code})`);
}

function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });
}

function by(pid: string | undefined): string {
  if (!pid) return '';
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  return ` by process ${pid} (${command})`;
}

/** Linux: the socket's inode out of the table of listening sockets, then the process that has it open. */
function ownerOf(port: number): string | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const listening = new RegExp(`^ *\\d+: \\S+:${hexPort} \\S+ 0A (?:\\S+ +){5}(\\d+) `, 'm');
  try {
    const inode = ['tcp', 'tcp6']
      .map((table) => listening.exec(readFileSync(`/proc/net/${table}`, 'utf8'))?.[1])
      .find(Boolean);
    return (
      inode && readdirSync('/proc').find((pid) => /^\d+$/.test(pid) && hasOpen(pid, `socket:[${inode}]`))
    );
  } catch {
    return undefined;
  }
}

function hasOpen(pid: string, target: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => readlinkSync(`${folder}/${fd}`) === target);
  } catch {
    return false;
  }
}
