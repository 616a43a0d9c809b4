import type { Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { MetricsReport, MetricsRequest, Snapshot } from './metric-messages';
import { metricsRegistry } from './metrics-registry';
import { Monotonic } from './monotonic';
import { countersOf, sumSnapshots } from './sum-snapshots';
import { workersAnswered, workersWanted } from './worker-metrics';

/** Longer than a worker's measurements take at most, shorter than the patience of a scraper. */
const DEADLINE_MS = 1_800;
/** Where nobody scrapes, those that have ended are put together when there are so many. */
const MOST_ENDED = 16;
/** Of the primary: what only it knows, and its part of what the instance uses of the machine. */
const OWN = /^(user_service_workers|process_)/;

/** The metrics of all workers of an instance, in the primary process. A counter never falls, whichever of them ends. */
export class InstanceMetrics {
  private readonly workers = new Map<Worker, Snapshot>();
  /** The counters of workers that have ended, as far as they are known: those of one that was killed, from its last scrape. */
  private readonly ended: Snapshot[] = [];
  private readonly shown = new Monotonic();
  private readonly answers = new Map<number, (worker: Worker, snapshot: Snapshot) => void>();
  private underWay?: Promise<string>;
  private rounds = 0;

  constructor(
    wanted: number,
    private readonly logger: Logger,
  ) {
    workersWanted.set(wanted);
  }

  /** Counts it in from now on. */
  add(worker: Worker): void {
    this.workers.set(worker, []);
    worker.on('message', (message: MetricsReport) => this.hear(worker, message));
    worker.once('exit', () => {
      this.ended.push(countersOf(this.workers.get(worker)!));
      this.workers.delete(worker);
      if (this.ended.length > MOST_ENDED) this.scrape().catch(this.tell);
    });
  }

  /** In the Prometheus text format, within two seconds. */
  scrape(): Promise<string> {
    this.underWay ??= this.measure().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  private hear(worker: Worker, message: MetricsReport): void {
    // What one that has ended was known to have counted is among the ended.
    if (!this.workers.has(worker)) return;
    if (message.kind === 'snapshot') {
      this.answers.get(message.id)?.(worker, message.snapshot);
    } else if (message.kind === 'last_snapshot') {
      this.workers.set(worker, message.snapshot);
    } else if (message.kind === 'scrape') {
      const { id } = message;
      this.scrape().then((text) => say(worker, { kind: 'scraped', id, text }), this.tell);
    }
  }

  /** In a rolling restart workers may be of two versions. */
  private readonly tell = (error: Error): void => {
    this.logger.warn(`the metrics of the processes cannot be put together: ${error.message}`);
  };

  private async measure(): Promise<string> {
    const answered = await this.ask();
    workersAnswered.set(answered.size);
    const own = (await metricsRegistry.getMetricsAsJSON()).filter(({ name }) => OWN.test(name));
    // From here to the sum in one go: a worker that ends meanwhile would be counted twice, or not at all.
    const known = [...this.workers].map(([worker, snapshot]) =>
      answered.has(worker) ? snapshot : countersOf(snapshot),
    );
    const many = this.ended.length;
    const sum = sumSnapshots([own, ...known, ...this.ended]);
    const past = await sumSnapshots(this.ended).getMetricsAsJSON();
    this.ended.splice(0, many, past);
    this.shown.keep(await sum.getMetricsAsJSON());
    return sum.metrics();
  }

  /** @returns who answered in time. */
  private async ask(): Promise<Set<Worker>> {
    const id = ++this.rounds;
    const answered = new Set<Worker>();
    const asked = [...this.workers.keys()].filter((worker) => worker.isConnected());
    const all = new Promise<void>((resolve) => {
      if (asked.length === 0) resolve();
      this.answers.set(id, (worker, snapshot) => {
        this.workers.set(worker, snapshot);
        if (answered.add(worker).size === asked.length) resolve();
      });
    });
    for (const worker of asked) say(worker, { kind: 'measure', id });
    const late = new AbortController();
    await Promise.race([all, sleep(DEADLINE_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    this.answers.delete(id);
    return answered;
  }
}

function say(worker: Worker, message: MetricsRequest): void {
  // A channel that closes at this moment takes its worker with it.
  if (worker.isConnected()) worker.send(message, () => undefined);
}
