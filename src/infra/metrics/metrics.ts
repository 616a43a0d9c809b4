import { Injectable, OnModuleInit } from '@nestjs/common';
import cluster from 'node:cluster';
import { withDeadline } from '../deadline';
import { answerMeasures, scrapeInstance } from './instance-scrape';
import type { Snapshot } from './metric-messages';
import { metricsRegistry } from './metrics-registry';

/** Longer than the deadlines of the measurements themselves, shorter than the patience of a scraper. */
const DEADLINE_MS = 1_500;

/** What `/metrics` shows. */
@Injectable()
export class Metrics implements OnModuleInit {
  readonly contentType = metricsRegistry.contentType;
  private readonly measurements: (() => void | Promise<void>)[] = [];

  onModuleInit(): void {
    if (cluster.isWorker) answerMeasures(() => this.measure());
  }

  /**
   * Runs before each scrape, for a value that has to be asked for. Where it fails, or takes longer than a second and
   * a half, the scrape goes on without it: it should then leave NaN.
   */
  beforeScrape(measure: () => void | Promise<void>): void {
    this.measurements.push(measure);
  }

  /**
   * All metrics of the instance in the Prometheus text format, within two seconds, whatever is away.
   * @throws LateError where the primary of this worker does not answer.
   */
  async scrape(): Promise<string> {
    if (cluster.isWorker) return scrapeInstance();
    await this.takeMeasurements();
    return metricsRegistry.metrics();
  }

  /** All metrics of this process alone. */
  async measure(): Promise<Snapshot> {
    await this.takeMeasurements();
    return metricsRegistry.getMetricsAsJSON();
  }

  private async takeMeasurements(): Promise<void> {
    await Promise.allSettled(
      this.measurements.map((measure) =>
        withDeadline(Promise.resolve().then(measure), DEADLINE_MS, 'a measurement'),
      ),
    );
  }
}
