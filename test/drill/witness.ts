/** The one who asks the instances all the time, and notes every answer. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Findings } from './findings';
import { Instance } from './instance';

/** Within which there has to be an answer, whatever is broken. */
export const ANSWER_MS = 2_000;
/** After which nobody waits any longer. */
const HANG_MS = 10_000;

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  token?: string;
  body?: object;
  headers?: Record<string, string>;
}

export interface Answer {
  /** 0: none. */
  status: number;
  /** Of JSON; empty where there was none. */
  body: Record<string, unknown>;
  /** Of a problem. */
  code?: string;
  retryAfter?: string;
  /** The instance was ended before the answer, so that nobody knows what became of the request. */
  wasAbsent: boolean;
  /** Milliseconds of `performance.now()`. */
  askedAt: number;
  milliseconds: number;
}

/** Something that people do again and again, on time, whatever becomes of it. */
export interface Habit {
  everyMs: number;
  /** @param turn counts from 0. */
  once(turn: number): Promise<void>;
}

export class Witness {
  readonly findings = new Findings();
  readonly answers: Record<string, number> = {};
  slowestMs = 0;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 256 });
  private readonly underWay = new Set<Promise<void>>();
  private readonly timers: NodeJS.Timeout[] = [];
  private hasBegun = false;
  private isOver = false;

  constructor(readonly instances: readonly [Instance, Instance]) {}

  /** Each habit at its own pace, a moment after the one before, so that they do not come in bursts. */
  begin(habits: readonly Habit[]): void {
    this.hasBegun = true;
    for (const [index, habit] of habits.entries()) {
      let turn = 0;
      const act = (): void => {
        const acting: Promise<void> = habit
          .once(turn++)
          .catch((error: Error) => this.findings.add('the drill itself failed', error.stack))
          .finally(() => this.underWay.delete(acting));
        this.underWay.add(acting);
      };
      void sleep((habit.everyMs * index) / habits.length).then(() => this.repeat(act, habit.everyMs));
    }
  }

  /** Stops, and waits for what is under way. */
  async end(): Promise<void> {
    this.isOver = true;
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.underWay);
  }

  close(): void {
    this.agent.destroy();
  }

  /** Asks, notes the answer, and finds what no answer may be: late, missing, or an error other than 503. */
  async ask(instance: Instance, call: Call): Promise<Answer> {
    const askedAt = performance.now();
    const { status, text, retryAfter } = await this.send(instance, call);
    const now = performance.now();
    const wasAbsent = status === 0 && instance.wasAbsent(askedAt, now);
    const answer: Answer = {
      status,
      ...parse(text),
      retryAfter,
      wasAbsent,
      askedAt,
      milliseconds: Math.round(now - askedAt),
    };
    // Those who sign up before anything breaks are only in each other's way.
    if (this.hasBegun) this.note(instance, call, answer, text);
    return answer;
  }

  private repeat(act: () => void, everyMs: number): void {
    if (this.isOver) return;
    act();
    this.timers.push(setInterval(act, everyMs));
  }

  private note(instance: Instance, call: Call, answer: Answer, text: string): void {
    const { status, code, milliseconds, retryAfter, wasAbsent } = answer;
    const name = status === 0 ? 'none' : String(status);
    this.answers[name] = (this.answers[name] ?? 0) + 1;
    if (wasAbsent) return;
    this.slowestMs = Math.max(this.slowestMs, milliseconds);
    const which = `${call.method} ${call.path}`;
    // Never of a success: it may hold tokens.
    const said = status < 400 && status > 0 ? '' : `, ${text.slice(0, 300)}`;
    const detail = `instance ${instance.name}, ${milliseconds} ms${said}`;
    if (milliseconds > ANSWER_MS) this.findings.add(`${which} took longer than 2 s`, detail);
    if (status === 0) this.findings.add(`${which} got no answer`, detail);
    if (status === 503 && code !== undefined && !retryAfter)
      this.findings.add(`${which} answered 503 without Retry-After`, detail);
    if (status >= 500 && status !== 503) this.findings.add(`${which} answered ${status}`, detail);
  }

  private send(
    instance: Instance,
    { method, path, token, body, headers }: Call,
  ): Promise<{ status: number; text: string; retryAfter?: string }> {
    return new Promise((resolve) => {
      const content = body && JSON.stringify(body);
      const call = request(instance.url + path, {
        agent: this.agent,
        method,
        timeout: HANG_MS,
        headers: {
          ...(content && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(content),
          }),
          ...(token && { authorization: `Bearer ${token}` }),
          ...headers,
        },
      });
      const fail = (error: Error): void => resolve({ status: 0, text: error.message });
      call.on('response', (reply) => {
        let text = '';
        reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        reply.on('end', () =>
          resolve({ status: reply.statusCode!, text, retryAfter: reply.headers['retry-after'] }),
        );
        reply.on('error', fail);
      });
      call.on('timeout', () => call.destroy(new Error(`no answer in ${HANG_MS / 1000} s`)));
      call.on('error', fail);
      call.end(content);
    });
  }
}

function parse(text: string): { body: Record<string, unknown>; code?: string } {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    return { body, code: typeof body.code === 'string' ? body.code : undefined };
  } catch {
    return { body: {} };
  }
}
