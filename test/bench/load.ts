/** The clients: keep-alive connections on the loopback address. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerJobs } from './child';

/** One client that sends the same request again and again. */
export interface Lane {
  method: 'GET' | 'POST';
  path: string;
  token?: string;
  apiKey?: string;
  body?: Record<string, unknown>;
  /** Puts the refresh token of each reply into the next request. */
  chained?: boolean;
}

export interface LoadJob {
  url: string;
  lanes: Lane[];
  seconds: number;
  /** Requests a second, sent on time whatever the answers do (open loop). Without: each lane waits for its answer. */
  rate?: number;
}

export interface LoadResult {
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** Where the last request of each lane left its body. */
  lanes: Lane[];
}

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

answerJobs<LoadJob, LoadResult>(async (job) => {
  const times: number[] = [];
  const began = performance.now();
  const end = began + job.seconds * 1000;
  if (job.rate === undefined)
    await Promise.all(job.lanes.map((lane) => closedLoop(job.url, lane, end, times)));
  else await openLoop(job, job.rate, began, times);
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  return {
    perSecond: times.length / seconds,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    lanes: job.lanes,
  };
});

async function closedLoop(url: string, lane: Lane, end: number, times: number[]): Promise<void> {
  while (performance.now() < end) {
    const began = performance.now();
    await send(url, lane);
    times.push(performance.now() - began);
  }
}

/** Times count from when a request was due: a late one is the service's fault, and its time. */
async function openLoop(job: LoadJob, rate: number, began: number, times: number[]): Promise<void> {
  const requests: Promise<void>[] = [];
  for (let i = 0; i < job.seconds * rate; i++) {
    const due = began + (i * 1000) / rate;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    const sent = send(job.url, job.lanes[i % job.lanes.length]!);
    requests.push(sent.then(() => void times.push(performance.now() - due)));
  }
  await Promise.all(requests);
}

/** @throws Error for an answer that is not a success. */
function send(url: string, lane: Lane): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = lane.body && JSON.stringify(lane.body);
    const call = request(url + lane.path, {
      agent,
      method: lane.method,
      timeout: 30_000,
      headers: {
        ...(body && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...(lane.token && { authorization: `Bearer ${lane.token}` }),
        ...(lane.apiKey && { 'x-api-key': lane.apiKey }),
      },
    });
    call.on('response', (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      reply.on('end', () => {
        if (reply.statusCode !== 200) return reject(new Error(`${lane.path}: ${reply.statusCode} ${text}`));
        if (lane.chained) {
          lane.body = { refresh_token: (JSON.parse(text) as { refresh_token: string }).refresh_token };
        }
        resolve();
      });
    });
    call.on('timeout', () => call.destroy(new Error(`${lane.path} took more than 30 s`)));
    call.on('error', reject);
    call.end(body);
  });
}

const quantile = (sorted: number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
