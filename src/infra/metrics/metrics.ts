import { Injectable } from '@nestjs/common';
import { withDeadline } from '../deadline';
import { metricsRegistry } from './metrics-registry';

/** Longer than the deadlines of the measurements themselves, shorter than the patience of a scraper. */
const DEADLINE_MS = 1_500;

/** What `/metrics` shows. */
@Injectable()
export class Metrics {
  readonly contentType = metricsRegistry.contentType;
  private readonly measurements: (() => void | Promise<void>)[] = [];

  /**
   * Runs before each scrape, for a value that has to be asked for. Where it fails, or takes longer than a second and
   * a half, the scrape goes on without it: it should then leave NaN.
   */
  beforeScrape(measure: () => void | Promise<void>): void {
    this.measurements.push(measure);
  }

  /** All metrics in the Prometheus text format, within two seconds, whatever is away. */
  async scrape(): Promise<string> {
    await Promise.allSettled(
      this.measurements.map((measure) =>
        withDeadline(Promise.resolve().then(measure), DEADLINE_MS, 'a measurement'),
      ),
    );
    return metricsRegistry.metrics();
  }
}
