import {
  BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  OnApplicationBootstrap,
} from '@nestjs/common';
import { setMaxListeners } from 'node:events';
import { BACKGROUND } from '../../infra/background';
import { withDeadline } from '../../infra/deadline';
import { DependencyLog } from '../../infra/logging/dependency-log';
import { failureReason } from '../../infra/logging/failure-reason';
import { Repeated } from '../../infra/repeated';
import { FanOutLoop } from '../fan-out/fan-out-loop';
import { LaneRunner } from './lane-runner';
import { Lane, Lanes } from './lanes.service';

const POLL_MS = 400;
/** That requests under way get when the process stops, and then what is left to record. */
const DRAIN_MS = 1_200;
const STOP_MS = 600;

/** Looks for lanes that nobody sends on, and sends on all of them at once: none waits for another. */
@Injectable()
export class SendingLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly database = new DependencyLog(new Logger('Webhooks'), 'Webhooks cannot be read');
  private readonly repeated = new Repeated(POLL_MS, () => this.look());
  private readonly running = new Set<Promise<void>>();
  private readonly soon = new AbortController();
  private readonly now = new AbortController();

  constructor(
    private readonly lanes: Lanes,
    private readonly runner: LaneRunner,
    private readonly fanOut: FanOutLoop,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    // One for each request under way, which may be hundreds.
    setMaxListeners(0, this.now.signal);
    if (this.background) this.repeated.start();
  }

  /** Runs before the database pool closes. What does not finish in time is sent by another process. */
  async beforeApplicationShutdown(): Promise<void> {
    this.soon.abort();
    const finished = this.repeated.stop().then(() => Promise.all(this.running));
    await withDeadline(finished, DRAIN_MS, 'webhooks').catch(() => undefined);
    this.now.abort(new Error('the process stops'));
    await withDeadline(finished, STOP_MS, 'webhooks').catch(() => undefined);
  }

  private async look(): Promise<void> {
    if (!this.fanOut.isWanted) return;
    try {
      for (const lane of await this.lanes.claim()) this.start(lane);
      this.database.worked();
    } catch (error) {
      this.database.failed(failureReason(error));
    }
  }

  private start(lane: Lane): void {
    const run = this.runner.run(lane, { soon: this.soon.signal, now: this.now.signal });
    this.running.add(run);
    void run.finally(() => this.running.delete(run));
  }
}
