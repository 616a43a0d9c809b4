import { Redis, Result } from 'ioredis';
import { LEASE_MS } from './near-lease';
import { NearLink } from './near-link';
import { NearNames } from './near-names';
import { askScript, registerScript } from './near-scripts';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    registerReader(readers: string, id: string, countsMs: number, keptMs: number): Result<null, Context>;
    askReaders(
      readers: string,
      id: string,
      channel: string,
      question: string,
      completeMs: number,
    ): Result<string[] | null, Context>;
  }
}

/** A little more than a lease: clocks of two machines do not run alike. */
const WAIT_MS = LEASE_MS + 50;
/** A process counts as a reader for ten times as long, in case Redis' clock is set meanwhile. */
const COUNTS_MS = 10 * LEASE_MS;
const KEPT_MS = 86_400_000;

/** One question, and who has answered it. */
interface Round {
  answered: Set<string>;
  changed: () => void;
}

/**
 * What lets nobody say "it is done" while another process still remembers how it was. Redis tells every reader of a
 * change before it passes on a question that comes later, so a reader that has answered has heard of the change. One
 * that does not answer has no lease any more after `WAIT_MS`.
 */
export class NearBarrier {
  private readonly rounds = new Map<string, Round>();
  private count = 0;

  constructor(
    private readonly redis: Redis,
    private readonly link: NearLink,
    private readonly names: NearNames,
  ) {
    redis.defineCommand('registerReader', { numberOfKeys: 1, lua: registerScript });
    redis.defineCommand('askReaders', { numberOfKeys: 1, lua: askScript });
  }

  /** @throws where Redis lets this process answer nobody: then every change would wait for it in vain. */
  async tryAnswer(): Promise<void> {
    await this.redis.publish(this.names.own, '');
  }

  /** From its answer on every change waits for this process. */
  async register(): Promise<void> {
    await this.redis.registerReader(this.names.readers, this.names.id, COUNTS_MS, KEPT_MS);
  }

  async unregister(): Promise<void> {
    await this.redis.hdel(this.names.readers, this.names.id);
  }

  /** Resolves when no other process uses anything that was changed before the call. Redis away, that takes a lease. */
  async passed(): Promise<void> {
    const number = String(++this.count);
    const round: Round = { answered: new Set(), changed: () => undefined };
    this.rounds.set(number, round);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, WAIT_MS)));
    try {
      await Promise.race([this.allAnswer(number, round).catch(() => late), late]);
    } finally {
      clearTimeout(timer);
      this.rounds.delete(number);
    }
  }

  /**
   * The answer goes over the connection whose reads Redis follows: should Redis have cut that one, and said nothing of the
   * change, it does not arrive.
   */
  hear(channel: string, text: string): void {
    const [one = '', two = ''] = text.split(' ');
    if (channel === this.names.own) {
      const round = this.rounds.get(one);
      round?.answered.add(two);
      round?.changed();
    } else if (one !== this.names.id) {
      this.redis.publish(this.names.of(one), `${two} ${this.names.id}`).catch(() => undefined);
    }
  }

  private async allAnswer(number: string, round: Round): Promise<void> {
    const isListening = await this.link.listen().then(
      () => true,
      () => false,
    );
    const { id, readers, all } = this.names;
    const others = await this.redis.askReaders(readers, id, all, `${id} ${number}`, WAIT_MS);
    if (others?.length === 0) return;
    if (!others || !isListening) throw new Error('nobody knows who reads');
    await new Promise<void>((resolve) => {
      round.changed = () => {
        if (others.every((other) => round.answered.has(other))) resolve();
      };
      round.changed();
    });
  }
}
