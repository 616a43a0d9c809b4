/** What this machine can do at most of the two things that cost: bcrypt and RSA signatures, on all cores. */
import { availableParallelism } from 'node:os';
import { webcrypto } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { answerJobs } from './child';

export interface BoundJob {
  kind: 'bcrypt' | 'rsa';
  seconds: number;
}

/** Signatures that wait in libuv's pool, so that its threads never do. */
const IN_FLIGHT = 32;

/** Runs in each thread; as text, because it is all that a thread needs. */
const HASHING = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { hashSync, compareSync } = require(workerData.bcrypt);
  const hash = hashSync('Ganga-Sunrise-42!', 12);
  parentPort.postMessage('ready');
  parentPort.on('message', (milliseconds) => {
    let count = 0;
    const began = performance.now();
    while (performance.now() - began < milliseconds) { compareSync('Ganga-Sunrise-42!', hash); count++; }
    parentPort.postMessage(count / (performance.now() - began) * 1000);
  });`;

answerJobs<BoundJob, number>(({ kind, seconds }) => (kind === 'bcrypt' ? bcrypt(seconds) : rsa(seconds)));

/** Comparisons at cost 12 a second. */
async function bcrypt(seconds: number): Promise<number> {
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(HASHING, { eval: true, workerData: { bcrypt: require.resolve('bcrypt') } }),
  );
  const next = (worker: Worker): Promise<unknown> =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await Promise.all(workers.map(next));
  const rates = workers.map(next) as Promise<number>[];
  for (const worker of workers) worker.postMessage(seconds * 1000);
  const total = (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return total;
}

/** RS256 signatures with a 2048-bit key a second. */
async function rsa(seconds: number): Promise<number> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const { privateKey } = await webcrypto.subtle.generateKey(
    { ...algorithm, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    false,
    ['sign', 'verify'],
  );
  const data = Buffer.alloc(700, 'a');
  let count = 0;
  const began = performance.now();
  const sign = async (): Promise<void> => {
    while (performance.now() - began < seconds * 1000) {
      await webcrypto.subtle.sign(algorithm, privateKey, data);
      count++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sign));
  return (count / (performance.now() - began)) * 1000;
}
