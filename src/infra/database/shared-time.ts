import { Inject, Injectable, Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { Repeated } from '../repeated';

const EVERY_MS = 30_000;
/** How soon it shows that somebody has set the clock of this machine, and what is added to it is wrong; and between tries. */
const LOOK_MS = 1_000;
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
  private readonly looking = new Repeated(LOOK_MS, () => this.look());
  private state = 'the same';
  private dueAt = 0;
  /** As it was when the two were last compared. */
  private lead = leadOfMachine();

  constructor(
    @Inject(EntityManager) private readonly db: Pick<EntityManager, 'query'>,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.compare();
    this.looking.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.looking.stop();
  }

  /** What was found last stays in force while PostgreSQL is away, or takes so long to answer that it tells nothing. */
  async compare(): Promise<void> {
    const asked = Date.now();
    const theirs = await this.ask().catch(() => null);
    const answered = Date.now();
    // Also where the clock was set meanwhile.
    if (theirs === null || Math.abs(answered - asked) > 2 * TOLERATED_MS) return;
    this.dueAt = performance.now() + EVERY_MS;
    this.lead = leadOfMachine();
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

  private async look(): Promise<void> {
    const wasSet = Math.abs(leadOfMachine() - this.lead) > TOLERATED_MS;
    if (wasSet || performance.now() >= this.dueAt) await this.compare();
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

/** Milliseconds by which the clock of this machine is ahead of one that nobody sets. */
const leadOfMachine = (): number => Date.now() - performance.now();
