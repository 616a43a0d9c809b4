/** Metrics as a worker sees them: the primary asks for its own, and answers for all of them. */
import { withDeadline } from '../deadline';
import type { MetricsReport, MetricsRequest, Snapshot } from './metric-messages';
import { metricsRegistry } from './metrics-registry';

/** Longer than the primary waits for the slowest worker. */
const DEADLINE_MS = 2_500;
const LAST_MS = 500;

const waiting = new Map<number, (text: string) => void>();
let scrapes = 0;

/** Call it once. @param measure does not throw. */
export function answerMeasures(measure: () => Promise<Snapshot>): void {
  process.on('message', (message: MetricsRequest) => {
    if (message.kind === 'measure') {
      void measure().then((snapshot) => say({ kind: 'snapshot', id: message.id, snapshot }));
    } else if (message.kind === 'scraped') {
      waiting.get(message.id)?.(message.text);
    }
  });
}

/** The metrics of the instance, in the Prometheus text format. @throws LateError */
export async function scrapeInstance(): Promise<string> {
  const id = ++scrapes;
  try {
    const text = new Promise<string>((resolve) => waiting.set(id, resolve));
    say({ kind: 'scrape', id });
    return await withDeadline(text, DEADLINE_MS, 'the primary process');
  } finally {
    waiting.delete(id);
  }
}

/** What this process has counted stays in the sums when it has ended. */
export async function handOverCounters(): Promise<void> {
  if (!process.connected) return;
  const report: MetricsReport = { kind: 'last_snapshot', snapshot: await metricsRegistry.getMetricsAsJSON() };
  const sent = new Promise<void>((resolve) => process.send?.(report, undefined, undefined, () => resolve()));
  await withDeadline(sent, LAST_MS, 'the primary process');
}

function say(report: MetricsReport): void {
  if (process.connected) process.send?.(report);
}
