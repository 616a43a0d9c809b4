import { Injectable } from '@nestjs/common';
import { metricsRegistry } from './metrics-registry';

/** What `/metrics` shows. */
@Injectable()
export class Metrics {
  readonly contentType = metricsRegistry.contentType;
  private readonly measurements: (() => Promise<void>)[] = [];

  /** Runs before each scrape, for a value that has to be asked for. It must have a deadline and must not throw. */
  beforeScrape(measure: () => Promise<void>): void {
    this.measurements.push(measure);
  }

  /** All metrics in the Prometheus text format. */
  async scrape(): Promise<string> {
    await Promise.all(this.measurements.map((measure) => measure()));
    return metricsRegistry.metrics();
  }
}
