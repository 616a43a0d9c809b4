import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const hasKcat = spawnSync('kcat', ['-V']).status === 0;

/**
 * Brokers for tests are in librdkafka, which comes with `kcat`: skipped where it is not installed, for nothing else that
 * a bare machine has speaks Kafka.
 */
export const whereKcatIs = (title: string, tests: () => void): void =>
  hasKcat ? describe(title, tests) : describe.skip(`${title}, skipped: kcat is not on this machine`, tests);

export interface KafkaRecord {
  key: string;
  payload: string;
  headers: Record<string, string>;
  partition: number;
  offset: number;
}

/** A broker in a process of its own. It takes transactions, but never refuses a superseded producer, and keeps no secrets. */
export interface KafkaBroker {
  address: string;
  /** Stops it with SIGSTOP: connections stay open, and nothing answers. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

/** A broker with one topic of four partitions. @throws Error where kcat does not say where it listens. */
export async function startMockBroker(topic: string): Promise<KafkaBroker> {
  const kcat = spawn(
    'kcat',
    ['-b', 'mock', '-X', 'test.mock.num.brokers=1', '-d', 'mock', '-P', '-t', topic],
    // Ends with what it reads from, so also with this process.
    { stdio: ['pipe', 'ignore', 'pipe'] },
  );
  const ended = once(kcat, 'exit');
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    kcat.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (said.length < 100_000) said += chunk;
      const found = /bootstrap\.servers=(\S+)/.exec(said);
      if (found) resolve(found[1]!);
    });
    kcat.once('error', reject);
    void ended.then(() => reject(new Error(`kcat ended: ${said}`)));
  });
  await createTopic(address, topic);
  return {
    address,
    freeze: () => void kcat.kill('SIGSTOP'),
    thaw: () => void kcat.kill('SIGCONT'),
    stop: async () => {
      kcat.kill('SIGKILL');
      await ended;
    },
  };
}

/** The broker makes what it is asked about. */
export async function createTopic(address: string, topic: string): Promise<void> {
  await promisify(execFile)('kcat', ['-b', address, '-L', '-t', topic]);
}

/** Everything on a topic, in order within each partition. */
export async function readTopic(address: string, topic: string): Promise<KafkaRecord[]> {
  const read = ['-C', '-q', '-t', topic, '-o', 'beginning', '-e', '-J', '-X', 'fetch.wait.max.ms=10'];
  const { stdout } = await promisify(execFile)('kcat', ['-b', address, ...read], { maxBuffer: 256 << 20 });
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Omit<KafkaRecord, 'headers'> & { headers?: string[] })
    .map(({ headers = [], ...record }) => ({ ...record, headers: asRecord(headers) }));
}

/** kcat tells headers as name, value, name, value. */
const asRecord = (flat: string[]): Record<string, string> =>
  Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]!]])));
