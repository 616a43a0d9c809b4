/** The clients: keep-alive connections on the loopback address. */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerJobs } from './child';
import { Connection } from './connection';

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
  /** Runs as often as fits into so many seconds. */
  seconds: number;
  /** Seconds of the same before those, which count for nothing but `requests` and `leadWorst`. */
  lead?: number;
  /** How many ask at the same time, each going round its part of the lanes; without: as many as there are lanes. */
  clients?: number;
  /** Requests a second, sent on time whatever the answers do (open loop). Without: each client waits for its answer. */
  rate?: number;
  /** Each lane is sent once, whatever time that takes. */
  once?: boolean;
}

export interface LoadResult {
  /** All of them. */
  requests: number;
  /** In the seconds that count; of an exchange that lies in them partly, that part: a sign-in takes most of a second. */
  perSecond: number;
  /** Milliseconds from when a request was sent, of those sent in the seconds that count. */
  p50: number;
  p99: number;
  /** Milliseconds, of those sent before; 0 where nothing came before. */
  leadWorst: number;
  /** Microseconds of a core that these clients took for each request. */
  clientCpu: number;
  /** Where the last request of each lane left its body. */
  lanes: Lane[];
  /** The last answer to each lane, where each was sent once. */
  replies: Record<string, unknown>[];
}

/** When a request was sent and answered, in milliseconds of `performance.now()`. */
type Exchange = [sent: number, answered: number];

const encoded = new WeakMap<Lane, Buffer>();

answerJobs<LoadJob, LoadResult>(async (job) => {
  const clients = Math.min(job.clients ?? job.lanes.length, job.lanes.length);
  const connections = Array.from({ length: clients }, () => new Connection(job.url));
  const exchanges: Exchange[] = [];
  const replies: Record<string, unknown>[] = [];
  const cpu = process.cpuUsage();
  const began = performance.now() + (job.lead ?? 0) * 1000;
  const end = job.once ? Infinity : began + job.seconds * 1000;
  if (job.once) await onceEach(job.lanes, connections, exchanges, replies);
  else if (job.rate === undefined)
    await Promise.all(
      connections.map((connection, i) =>
        closedLoop(connection, partOf(job.lanes, i, clients), end, exchanges),
      ),
    );
  else await openLoop(job, job.rate, end, connections, exchanges);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (Math.min(end, performance.now()) - began) / 1000;
  for (const connection of connections) connection.close();
  const times = exchanges.filter(([sent]) => sent >= began).map(took);
  times.sort((a, b) => a - b);
  return {
    requests: exchanges.length,
    perSecond: exchanges.reduce((sum, each) => sum + partWithin(each, began, end), 0) / seconds,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    leadWorst: Math.max(0, ...exchanges.filter(([sent]) => sent < began).map(took)),
    clientCpu: (user + system) / exchanges.length,
    lanes: job.lanes,
    replies,
  };
});

/** Of one exchange, 0 to 1. */
const partWithin = ([sent, answered]: Exchange, from: number, to: number): number =>
  Math.max(0, Math.min(answered, to) - Math.max(sent, from)) / (answered - sent);

const took = ([sent, answered]: Exchange): number => answered - sent;

const partOf = (lanes: Lane[], client: number, clients: number): Lane[] =>
  lanes.filter((_lane, i) => i % clients === client);

async function closedLoop(connection: Connection, lanes: Lane[], end: number, exchanges: Exchange[]) {
  for (let i = 0; performance.now() < end; i++) await timed(connection, lanes[i % lanes.length]!, exchanges);
}

async function onceEach(lanes: Lane[], connections: Connection[], exchanges: Exchange[], replies: unknown[]) {
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      for (let i = next++; i < lanes.length; i = next++) {
        replies[i] = JSON.parse((await timed(connection, lanes[i]!, exchanges)).toString());
      }
    }),
  );
}

/** Nobody waits for an answer, so a slow one delays no other request; a connection that is not free yet is left out. */
async function openLoop(
  { url, lanes }: LoadJob,
  rate: number,
  end: number,
  connections: Connection[],
  exchanges: Exchange[],
) {
  const began = performance.now();
  const requests: Promise<unknown>[] = [];
  for (let i = 0, due = began; due < end; i++, due = began + (i * 1000) / rate) {
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    const connection = connections.shift() ?? new Connection(url);
    requests.push(
      timed(connection, lanes[i % lanes.length]!, exchanges).then(() => connections.push(connection)),
    );
  }
  await Promise.all(requests);
}

async function timed(connection: Connection, lane: Lane, exchanges: Exchange[]): Promise<Buffer> {
  const sent = performance.now();
  const body = await send(connection, lane);
  exchanges.push([sent, performance.now()]);
  return body;
}

/** @throws Error for an answer that is not a success. */
async function send(connection: Connection, lane: Lane): Promise<Buffer> {
  const request = encoded.get(lane) ?? encode(lane);
  const { status, body } = await connection.send(request);
  if (status !== 200) throw new Error(`${lane.path}: ${status} ${body.toString()}`);
  if (lane.chained) {
    lane.body = {
      refresh_token: (JSON.parse(body.toString()) as { refresh_token: string }).refresh_token,
    };
  } else encoded.set(lane, request);
  return body;
}

function encode({ method, path, token, apiKey, body }: Lane): Buffer {
  const content = body === undefined ? '' : JSON.stringify(body);
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    ...(token ? [`Authorization: Bearer ${token}`] : []),
    ...(apiKey ? [`X-API-Key: ${apiKey}`] : []),
    ...(body ? ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(content)}`] : []),
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${content}`);
}

const quantile = (sorted: number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
