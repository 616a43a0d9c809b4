/** What this machine can do at most of the two things that cost: bcrypt and RSA signatures, on all cores. */
import { generateKeyPairSync } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { answerJobs } from './child';

export interface BoundJob {
  kind: keyof typeof WORK;
  seconds: number;
}

export interface Bound {
  perSecond: number;
  /** Microseconds of a core for one. */
  cpu: number;
}

const PASSWORD = 'Ganga-Sunrise-42!';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const workerData = {
  bcrypt: require.resolve('bcrypt'),
  password: PASSWORD,
  key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
};

/** What is done once, in a thread for each core: synchronously, so that nothing but the work itself takes time. */
const WORK = {
  /** A comparison at cost 12. */
  bcrypt: `
    const { hashSync, compareSync } = require(workerData.bcrypt);
    const hash = hashSync(workerData.password, 12);
    const once = () => compareSync(workerData.password, hash);`,
  /** An RS256 signature with a 2048-bit key, of as many bytes as a token has. */
  rsa: `
    const { createPrivateKey, sign } = require('node:crypto');
    const key = createPrivateKey(workerData.key);
    const data = Buffer.alloc(700, 'a');
    const once = () => sign('sha256', data, key);`,
};

/** Runs in each thread; as text, because it is all that a thread needs. @param work defines `once`. */
const thread = (work: string): string => `
  const { parentPort, workerData } = require('node:worker_threads');
  ${work}
  once();
  parentPort.postMessage('ready');
  parentPort.on('message', (milliseconds) => {
    let count = 0;
    const began = performance.now();
    while (performance.now() - began < milliseconds) { once(); count++; }
    parentPort.postMessage({ count, perSecond: count / (performance.now() - began) * 1000 });
  });`;

answerJobs<BoundJob, Bound>(async ({ kind, seconds }) => {
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(thread(WORK[kind]), { eval: true, workerData }),
  );
  const next = (worker: Worker): Promise<unknown> =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await Promise.all(workers.map(next));
  const results = workers.map(next) as Promise<{ count: number; perSecond: number }>[];
  const before = process.cpuUsage();
  for (const worker of workers) worker.postMessage(seconds * 1000);
  const done = await Promise.all(results);
  const { user, system } = process.cpuUsage(before);
  await Promise.all(workers.map((worker) => worker.terminate()));
  const sum = (of: 'count' | 'perSecond'): number => done.reduce((total, each) => total + each[of], 0);
  return { perSecond: sum('perSecond'), cpu: (user + system) / sum('count') };
});
