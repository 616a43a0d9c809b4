import cluster, { Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { InstanceMetrics } from '../infra/metrics/instance-metrics';
import { workersEnded } from '../infra/metrics/worker-metrics';
import { endWhenSilent } from './end-when-silent';
import { closeHandedConnection } from './handed-connection';
import type { Shutdown } from './shutdown';
import type { Ready, Retire } from './worker';

/** For loading, connecting, and the keys of a remote KMS. */
const START_MS = 60_000;
/** For those who are connected, and then for the shutdown of the process, which ends itself before that. */
const RETIRE_MS = 80_000;
const SETTLED_MS = 60_000;
const LONGEST_PAUSE_MS = 30_000;

export interface WorkerPlan {
  /** How many shall serve. */
  wanted: number;
  /** Seconds without an answer after which one that serves is ended; 0: never. */
  hangSeconds: number;
  /** Beside that of this process; undefined takes a variable away. */
  environment: Record<string, string | undefined>;
}

/** The workers of an instance, seen from its primary process. One that ends by itself, or hangs, is replaced. */
export class WorkerPool {
  private readonly inService = new Set<Worker>();
  private readonly starts = new Set<Promise<Ready>>();
  private failures = 0;

  /** @param shutdown after which nothing is started. */
  constructor(
    private readonly plan: WorkerPlan,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
    private readonly metrics: InstanceMetrics,
  ) {
    cluster.on('exit', (worker, code, signal) => {
      if (!this.inService.delete(worker) || shutdown.isStopping) return;
      workersEnded.inc({ reason: 'died' });
      logger.warn(`process ${worker.process.pid} ended (${signal || code})`);
      this.fillUp();
    });
  }

  get serving(): Worker[] {
    return [...this.inService];
  }

  /** @returns what it says when it serves. @throws Error when it ends before, or takes longer than a minute. */
  start(): Promise<Ready> {
    const start = this.startOne().finally(() => this.starts.delete(start));
    this.starts.add(start);
    return start;
  }

  /** When those that are starting now serve, or have failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.starts);
  }

  /** Takes a worker out of service. @returns when it has ended: those who are connected to it are answered until they go. */
  async retire(worker: Worker): Promise<void> {
    if (!this.inService.delete(worker)) return;
    workersEnded.inc({ reason: 'retired' });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    worker.send({ kind: 'retire' } satisfies Retire, () => undefined);
    const late = setTimeout(() => worker.process.kill('SIGKILL'), RETIRE_MS);
    // For one that has died while the successor of this one was starting.
    this.fillUp();
    await exit;
    clearTimeout(late);
  }

  /** Starts what is missing. */
  fillUp(): void {
    void this.startMissing();
  }

  private async startOne(): Promise<Ready> {
    const worker = cluster.fork(this.plan.environment);
    closeHandedConnection(worker);
    const late = setTimeout(() => worker.process.kill('SIGKILL'), START_MS);
    try {
      const reply = await ready(worker);
      this.inService.add(worker);
      this.metrics.add(worker);
      endWhenSilent(worker, this.plan.hangSeconds, this.logger);
      return reply;
    } catch (error) {
      worker.process.kill('SIGKILL');
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  private get isShort(): boolean {
    return !this.shutdown.isStopping && this.inService.size + this.starts.size < this.plan.wanted;
  }

  /** Ever slower while they keep ending, so that a broken store doesn't keep the machine busy with starts. */
  private async startMissing(): Promise<void> {
    while (this.isShort) {
      const pause = Math.min(100 * 2 ** this.failures++, LONGEST_PAUSE_MS);
      setTimeout(() => (this.failures = Math.max(0, this.failures - 1)), SETTLED_MS).unref();
      this.logger.warn(`a process is missing, the next one starts in ${pause} ms`);
      await sleep(pause);
      if (!this.isShort) return;
      await this.start().catch((error: Error) => this.logger.error(error.message));
    }
  }
}

function ready(worker: Worker): Promise<Ready> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: Partial<Ready>) => {
      if (message.kind === 'ready') resolve(message as Ready);
    });
    worker.once('exit', () => reject(new Error('a worker process could not start')));
    // Always heard: where the program can't be run, and of one that dies while it is told something.
    worker.on('error', reject);
  });
}
