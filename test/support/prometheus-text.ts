import { TestService } from './app';

/** One line of a scrape. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A metric as `# TYPE` tells it; the series of a histogram are `_bucket`, `_sum` and `_count`. */
type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)(?: -?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"/g;
const ESCAPES: Record<string, string> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/** What `/metrics` said, read as Prometheus reads it (text format 0.0.4). */
export class Scrape {
  readonly samples: Sample[] = [];
  readonly types = new Map<string, MetricType>();

  /** @throws Error at a line that Prometheus would refuse, or a sample whose metric was not declared. */
  constructor(readonly text: string) {
    if (!text.endsWith('\n')) throw new Error('the last line has no end');
    for (const line of text.split('\n').slice(0, -1)) this.read(line);
  }

  static async of(service: TestService): Promise<Scrape> {
    const { text } = await service.client().get('/metrics').expect(200);
    return new Scrape(text);
  }

  /** The value of the one series that has at least these labels; 0 where there is none yet. */
  value(name: string, labels: Record<string, string> = {}): number {
    const found = this.series(name, labels);
    if (found.length > 1) throw new Error(`${name} ${JSON.stringify(labels)} are ${found.length} series`);
    return found[0]?.value ?? 0;
  }

  series(name: string, labels: Record<string, string> = {}): Sample[] {
    return this.samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  }

  private read(line: string): void {
    const [, declared, type] = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? [];
    if (declared !== undefined) {
      if (this.types.has(declared)) throw new Error(`${declared} is declared twice`);
      this.types.set(declared, type as MetricType);
      return;
    }
    if (line === '' || /^# HELP \S+ \S/.test(line)) return;
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined || !this.isDeclared(name)) throw new Error(`no metric: ${line}`);
    this.samples.push({ name, labels: readLabels(labels), value: readValue(value!) });
  }

  private isDeclared(name: string): boolean {
    return this.types.has(name) || this.types.has(name.replace(/_(bucket|sum|count)$/, ''));
  }
}

/** By how much series grow while something is done. */
export async function growthDuring(
  service: TestService,
  work: () => PromiseLike<unknown>,
): Promise<(name: string, labels?: Record<string, string>) => number> {
  const before = await Scrape.of(service);
  await work();
  const after = await Scrape.of(service);
  return (name, labels) => after.value(name, labels) - before.value(name, labels);
}

function readLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, label, value]) => [
      label!,
      value!.replace(/\\["\\n]/g, (escape) => ESCAPES[escape]!),
    ]),
  );
}

function readValue(text: string): number {
  if (/^[+-]?Inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  const value = Number(text);
  if (Number.isNaN(value) && !/^nan$/i.test(text)) throw new Error(`no number: ${text}`);
  return value;
}
