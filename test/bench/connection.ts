import { connect, Socket } from 'node:net';

export interface Reply {
  status: number;
  /** As it came; nobody decodes what nobody reads. */
  body: Buffer;
}

interface Waiting {
  resolve: (reply: Reply) => void;
  reject: (error: Error) => void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);
const LONGEST_MS = 30_000;

/**
 * A keep-alive connection that has one request under way at a time. It reads what the servers here answer (a status and
 * a `Content-Length`) and nothing else of HTTP: Node's own client takes several times the CPU, on cores that the
 * service is measured on.
 */
export class Connection {
  private readonly host: string;
  private readonly port: number;
  private socket?: Socket;
  private received: Buffer = NOTHING;
  private waiting?: Waiting;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.host = hostname;
    this.port = Number(port);
  }

  /** @param request head and body. @throws Error when the connection ends, or the answer takes half a minute. */
  send(request: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.received = NOTHING;
      (this.socket ??= this.open()).write(request);
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  private open(): Socket {
    const socket = connect({ host: this.host, port: this.port, noDelay: true });
    socket.setTimeout(LONGEST_MS, () => {
      if (this.waiting) socket.destroy(new Error(`no answer in ${LONGEST_MS / 1000} s`));
    });
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => {
      if (this.socket === socket) this.socket = undefined;
      this.fail(new Error('the connection was closed'));
    });
    return socket;
  }

  private read(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const headEnd = this.received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.received.toString('latin1', 0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.fail(new Error(`an answer without a length: ${head}`));
    const body = this.received.subarray(headEnd + HEAD_END.length);
    if (body.length < Number(length)) return;
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }

  private fail(error: Error): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    this.socket?.destroy();
    this.socket = undefined;
    waiting?.reject(error);
  }
}
