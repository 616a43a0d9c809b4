import { availableParallelism } from 'node:os';
import { Round } from './measures';

export interface Line {
  what: string;
  unit: string;
  /** Median of the rounds. */
  value: number;
  /** What it is divided by; the bound was measured in the same round. */
  bound?: { what: string; value: number; ratio: number };
}

type Read = (round: Round) => number;

interface Row {
  what: string;
  unit: '/s' | 'ms';
  read: Read;
  boundName?: string;
  bound?: Read;
}

const perSecond = (what: string, read: Read, boundName?: string, bound?: Read): Row => ({
  what,
  unit: '/s',
  read,
  boundName,
  bound,
});
const milliseconds = (what: string, read: Read, boundName?: string, bound?: Read): Row => ({
  ...perSecond(what, read, boundName, bound),
  unit: 'ms',
});

const rows: Row[] = [
  perSecond('bcrypt, cost 12, all cores', (r) => r.bcrypt),
  perSecond('RSA-2048 signatures, all cores', (r) => r.rsa),
  perSecond('bare Fastify + Redis GET, 16 clients', (r) => r.bareBusy.perSecond),
  milliseconds('bare Fastify + Redis GET, 1 client, p50', (r) => r.bare.p50),
  milliseconds('bare Fastify + Redis GET, 1 client, p99', (r) => r.bare.p99),
  perSecond(
    'sign-in, 8 clients',
    (r) => r.signIn,
    'bcrypt',
    (r) => r.bcrypt,
  ),
  perSecond(
    'refresh, 8 users',
    (r) => r.refresh8,
    'RSA',
    (r) => r.rsa,
  ),
  perSecond(
    'refresh, 32 users',
    (r) => r.refresh32,
    'RSA',
    (r) => r.rsa,
  ),
  perSecond(
    'GET /v1/users/me, 16 clients',
    (r) => r.meBusy.perSecond,
    'bare',
    (r) => r.bareBusy.perSecond,
  ),
  milliseconds(
    'GET /v1/users/me, 1 client, p50',
    (r) => r.me.p50,
    'bare p50',
    (r) => r.bare.p50,
  ),
  milliseconds(
    'GET /v1/users/me, 1 client, p99',
    (r) => r.me.p99,
    'bare p99',
    (r) => r.bare.p99,
  ),
  perSecond(
    'GET /v1/auth/sessions, 16 clients',
    (r) => r.sessionsBusy.perSecond,
    'bare',
    (r) => r.bareBusy.perSecond,
  ),
  milliseconds(
    'GET /v1/auth/sessions, 1 client, p50',
    (r) => r.sessions.p50,
    'bare p50',
    (r) => r.bare.p50,
  ),
  milliseconds(
    'GET /v1/auth/sessions, 1 client, p99',
    (r) => r.sessions.p99,
    'bare p99',
    (r) => r.bare.p99,
  ),
  milliseconds('GET /v1/users/me at 100/s, p50', (r) => r.idle.p50),
  milliseconds('GET /v1/users/me at 100/s, p99', (r) => r.idle.p99),
  milliseconds(
    '… while 16 sign in, p50',
    (r) => r.storm.p50,
    'the same idle',
    (r) => r.idle.p50,
  ),
  milliseconds(
    '… while 16 sign in, p99',
    (r) => r.storm.p99,
    'the same idle',
    (r) => r.idle.p99,
  ),
  perSecond('rows of an account and its credentials, 1 connection', (r) => r.databaseRead.perSecond),
  perSecond('… 16 connections', (r) => r.databaseReadBusy.perSecond),
  perSecond('… and one committed insert each, 1 connection', (r) => r.databaseRecord.perSecond),
  perSecond('… 16 connections', (r) => r.databaseRecordBusy.perSecond),
  perSecond(
    'credentials for a service, 1 client',
    (r) => r.handOff.perSecond,
    'rows',
    (r) => r.databaseRead.perSecond,
  ),
  perSecond(
    '… the same',
    (r) => r.handOff.perSecond,
    'rows and insert',
    (r) => r.databaseRecord.perSecond,
  ),
  perSecond(
    'credentials for a service, 16 clients, 16 accounts',
    (r) => r.handOffBusy.perSecond,
    'rows',
    (r) => r.databaseReadBusy.perSecond,
  ),
  perSecond(
    '… the same',
    (r) => r.handOffBusy.perSecond,
    'rows and insert',
    (r) => r.databaseRecordBusy.perSecond,
  ),
  perSecond(
    'credentials for a service, 16 clients, 1 account',
    (r) => r.handOffOfOne.perSecond,
    'rows and insert',
    (r) => r.databaseRecordBusy.perSecond,
  ),
];

/** What the figures do not say by themselves. */
export const NOTES = `
A read of credentials is three statements (whose key it is, the rows, and the record of the read, which is committed
before the reply) and two questions to Redis (what the key's account may do, and its limit); the data key comes from
memory. The relay publishes each record meanwhile. The bare reads and inserts are statements of one connection each,
without HTTP and without any of that.
`;

export function summarise(rounds: Round[]): Line[] {
  return rows.map(({ what, unit, read, boundName, bound }) => ({
    what,
    unit,
    value: median(rounds.map(read)),
    ...(bound && {
      bound: {
        what: boundName ?? '',
        value: median(rounds.map(bound)),
        ratio: median(rounds.map((round) => read(round) / bound(round))),
      },
    }),
  }));
}

export function table(lines: Line[]): string {
  const width = Math.max(...lines.map(({ what }) => what.length));
  return lines
    .map(({ what, unit, value, bound }) => {
      const number = `${value.toFixed(unit === 'ms' ? 2 : value < 100 ? 1 : 0)} ${unit}`.padStart(12);
      return `${what.padEnd(width)} ${number}${bound ? `   ${bound.ratio.toFixed(2)} × ${bound.what}` : ''}`;
    })
    .join('\n');
}

export const machine = (): string => `${availableParallelism()} cores, Node ${process.version}`;

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
