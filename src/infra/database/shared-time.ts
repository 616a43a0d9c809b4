import { Inject, Injectable, Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';

const EVERY_MS = 30_000;
/** Clocks that differ by less are left alone: nothing here asks for more. */
const TOLERATED_MS = 1_000;
/**
 * A difference beyond this is no skew: one of the two is badly wrong, and nobody knows which. RFC 7519 section 4.1.4
 * thinks of no more than a few minutes either.
 */
const BELIEVED_MS = 5 * 60_000;

/**
 * Has all processes go by one clock, that of PostgreSQL. Where one is a minute off, a refresh that is repeated there would
 * pass for a stolen token, codes of authenticators would be refused, and leases of others would be over too soon.
 */
@Injectable()
export class SharedTime implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Clock');
  private timer?: NodeJS.Timeout;
  private state = 'the same';

  constructor(
    @Inject(EntityManager) private readonly db: Pick<EntityManager, 'query'>,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.compare();
    this.timer = setInterval(() => void this.compare(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** While PostgreSQL is away what was found last stays in force. */
  async compare(): Promise<void> {
    const asked = Date.now();
    const theirs = await this.ask().catch(() => null);
    if (theirs === null) return;
    const answered = Date.now();
    // They looked at their clock at some time in between. In whole milliseconds, as every time is here.
    const difference = Math.round(theirs - (asked + answered) / 2);
    const least = Math.abs(difference) - (answered - asked) / 2;
    if (least <= TOLERATED_MS) return this.follow(0, 'the same', 'agrees with that of PostgreSQL again');
    const seconds = (Math.abs(difference) / 1000).toFixed(1);
    const where = `${seconds} s ${difference < 0 ? 'ahead of' : 'behind'} that of PostgreSQL`;
    if (least > BELIEVED_MS)
      return this.follow(0, 'unbelievable', `is ${where}: nobody knows which is right`);
    this.follow(difference, 'different', `is ${where}, which all go by`);
  }

  private async ask(): Promise<number> {
    const [row] = await this.db.query<{ now: string }[]>(
      'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now',
    );
    return Number(row!.now);
  }

  /** Logs changes only. */
  private follow(milliseconds: number, state: string, news: string): void {
    this.clock.correct(milliseconds);
    if (state === this.state) return;
    this.state = state;
    const line = `the clock of this machine ${news}`;
    if (state === 'the same') this.logger.log(line);
    else this.logger.warn(line);
  }
}
