import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { BACKGROUND } from '../background';
import { DependencyLog } from '../logging/dependency-log';
import { failureReason } from '../logging/failure-reason';
import { MAIL_TRANSPORT, MailTransport } from './mail';
import { mailOutbox, mailSent } from './mail-metrics';
import { MailOutbox } from './mail-outbox';
import { ClaimedJob, MailQueue } from './mail-queue';
import { MAIL_TIMING, MailTiming } from './mail-timing';
import { orAbort } from './or-abort';

// A row can be seen when its transaction commits, which is a little after the wake.
const SOON = [20, 40, 80, 160, 320];
const COUNT_EVERY = 15_000;

/**
 * Sends what is in the outbox. Every serving process runs one; they share the work through leases. At least once: a process
 * that dies between the server's "250" and its own DELETE leaves a mail that is sent again, under the same Message-ID.
 */
@Injectable()
export class MailSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Mail');
  private readonly database = new DependencyLog(this.logger, 'The outbox cannot be read');
  private readonly delivery = new DependencyLog(this.logger, 'A mail could not be sent');
  private readonly inHand = new Map<AbortController, Promise<void>>();
  private running: Promise<void> = Promise.resolve();
  private stopping = false;
  private looks = SOON.length;
  private countedAt = -Infinity;
  private endPause: () => void = () => {};

  constructor(
    private readonly outbox: MailOutbox,
    private readonly queue: MailQueue,
    @Inject(MAIL_TRANSPORT) private readonly transport: MailTransport,
    @Inject(MAIL_TIMING) private readonly timing: MailTiming,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.background) return;
    this.outbox.whenEnqueued(() => this.wake());
    this.running = this.run();
  }

  /** Runs before the database pool closes. Mails that don't finish in time are sent by the next process. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.endPause();
    const finished = this.running.then(() => Promise.all(this.inHand.values()));
    await Promise.race([finished, sleep(this.timing.drain, undefined, { ref: false })]);
    for (const attempt of this.inHand.keys()) attempt.abort(new Error('the process stops'));
    await Promise.race([finished, sleep(2_000, undefined, { ref: false })]);
    await this.transport.close();
  }

  /** Looks at the outbox soon and then a few times more, instead of at the next poll. */
  wake(): void {
    if (this.looks === 1) return; // The first of those looks is coming up: a burst of mails shares it.
    this.looks = 0;
    this.endPause();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const free = this.timing.concurrency - this.inHand.size;
      const jobs = free > 0 ? await this.claim(free) : [];
      for (const job of jobs) this.takeOn(job);
      await this.count();
      if (free === 0 || jobs.length < free) await this.pause();
    }
  }

  private pause(): Promise<void> {
    if (this.stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, SOON[this.looks++] ?? this.timing.poll);
      this.endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async claim(limit: number): Promise<ClaimedJob[]> {
    try {
      const jobs = await this.queue.claim(this.outbox.kinds(), limit);
      this.database.worked();
      return jobs;
    } catch (error) {
      this.database.failed(failureReason(error));
      return [];
    }
  }

  private takeOn(job: ClaimedJob): void {
    const attempt = new AbortController();
    const deadline = setTimeout(() => attempt.abort(new Error('took too long')), this.timing.attempt);
    const work = this.attempt(job, attempt.signal).finally(() => {
      clearTimeout(deadline);
      this.inHand.delete(attempt);
      if (this.inHand.size === this.timing.concurrency - 1) this.endPause();
    });
    this.inHand.set(attempt, work);
  }

  private async attempt(job: ClaimedJob, signal: AbortSignal): Promise<void> {
    const leaseEnds = performance.now() + this.timing.lease;
    try {
      const result = await orAbort(this.send(job, signal), signal);
      mailSent.inc({ result });
      if (result === 'sent') this.delivery.worked();
    } catch (error) {
      return this.putBack(job, failureReason(error));
    }
    await this.remove(job, leaseEnds);
  }

  private async send(job: ClaimedJob, signal: AbortSignal): Promise<'sent' | 'dropped'> {
    const message = await this.outbox.composer(job.kind)!(job);
    signal.throwIfAborted();
    if (!message) return 'dropped';
    await this.transport.send(message, { id: job.id, signal });
    return 'sent';
  }

  private async putBack(job: ClaimedJob, reason: string): Promise<void> {
    this.delivery.failed(reason);
    // When even this fails, the end of the lease brings the job back.
    const givenUp = await this.queue.putBack(job, reason).catch(() => false);
    mailSent.inc({ result: givenUp ? 'given_up' : 'failed' });
    if (givenUp) this.logger.error(`Mail ${job.id} (${job.kind}) is given up: ${reason}`);
  }

  /** A mail that was sent must not be sent again: as long as the lease is ours, this tries until its row is gone. */
  private async remove(job: ClaimedJob, leaseEnds: number): Promise<void> {
    for (;;) {
      try {
        return await this.queue.remove(job);
      } catch (error) {
        this.database.failed(failureReason(error));
        if (this.stopping || performance.now() > leaseEnds) return;
        await sleep(Math.min(500, this.timing.poll));
      }
    }
  }

  private async count(): Promise<void> {
    if (performance.now() - this.countedAt < COUNT_EVERY) return;
    this.countedAt = performance.now();
    // No use in telling: the next look at the outbox does.
    const counts = await this.queue.counts().catch(() => ({}));
    for (const [state, count] of Object.entries(counts)) mailOutbox.set({ state }, count);
  }
}
