import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Reply {
  status: number;
  body: string;
}

/** What a client does not wait for any longer. */
export const PATIENCE_MS = 20_000;

/** A client with one connection that it keeps as long as it may. It tries nothing twice. */
export class KeepAliveClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(private readonly port: number) {}

  /** @throws Error when the connection breaks before the whole reply is there. */
  send(
    method: string,
    path: string,
    { token, body }: { token?: string; body?: object } = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const headers = {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      };
      const sent = request(
        {
          port: this.port,
          host: '127.0.0.1',
          method,
          path,
          headers,
          agent: this.agent,
          timeout: PATIENCE_MS,
        },
        (reply) => {
          let text = '';
          reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          reply.on('end', () => resolve({ status: reply.statusCode!, body: text }));
          reply.on('error', reject);
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('no reply')));
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
  }

  end(): void {
    this.agent.destroy();
  }
}

/** Asks again and again, on many connections at once, until it is told to stop. */
export class KeepAliveLoad {
  /** What was no good reply. */
  readonly failures: string[] = [];
  replies = 0;
  private stopping = false;
  private readonly loops: Promise<void>[] = [];

  /**
   * @param ask sends one request, and the next with what it has learnt from the last.
   * @param pauseMs between a reply and the next request: the longest; each is another.
   */
  add(ask: () => Promise<Reply>, pauseMs: number): void {
    this.loops.push(this.loop(ask, pauseMs));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.loops);
  }

  private async loop(ask: () => Promise<Reply>, pauseMs: number): Promise<void> {
    while (!this.stopping) {
      try {
        const { status, body } = await ask();
        if (status === 200) this.replies++;
        else this.failures.push(`${status} ${body.slice(0, 200)}`);
      } catch (error) {
        this.failures.push(String((error as NodeJS.ErrnoException).code ?? error));
      }
      await sleep(Math.random() * pauseMs);
    }
  }
}
