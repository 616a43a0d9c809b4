import type { Round } from './measures';
import type { Row, Target } from './report';

type Read = (round: Round) => number;

const row =
  (unit: Row<Round>['unit']) =>
  (what: string, read: Read, boundName?: string, bound?: Read, target?: Target): Row<Round> => ({
    what,
    unit,
    read,
    ...(boundName !== undefined && bound && { bound: { what: boundName, read: bound } }),
    ...(target && { target }),
  });

const perSecond = row('/s');
const milliseconds = row('ms');
const microseconds = row('µs');

const bcrypt: Read = (r) => r.bcrypt.perSecond;
const rsa: Read = (r) => r.rsa.perSecond;
const bareRate: Read = (r) => r.bareBusy.perSecond;
const bareCpu: Read = (r) => r.bareBusy.cpu;

const targets: Row<Round>[] = [
  perSecond('bcrypt, cost 12, all cores', bcrypt),
  perSecond('sign-in, 8 clients', (r) => r.signIn.perSecond, 'bcrypt', bcrypt, { atLeast: 0.95 }),
  perSecond('sign-in, 16 clients, during 100 GETs/s', (r) => r.stormSignIns, 'bcrypt', bcrypt, {
    atLeast: 0.9,
  }),
  milliseconds('GET /v1/auth/sessions at 100/s, idle, p99', (r) => r.idle.p99),
  milliseconds(
    '… while 16 sign in, p99',
    (r) => r.storm.p99,
    'idle',
    (r) => r.idle.p99,
    { atMost: 1.25 },
  ),
  perSecond('RSA-2048 signatures, all cores', rsa),
  perSecond('refresh, 32 users', (r) => r.refresh32.perSecond, 'RSA', rsa, { atLeast: 0.6 }),
  perSecond('refresh, 8 users', (r) => r.refresh8.perSecond, 'RSA', rsa, { atLeast: 0.45 }),
  perSecond('bare Fastify + Redis GET, 16 clients', bareRate),
  perSecond('GET /v1/auth/sessions, 16 clients', (r) => r.sessionsBusy.perSecond, 'bare', bareRate, {
    atLeast: 0.8,
  }),
  perSecond('POST /v1/authz/check, 16 clients', (r) => r.checkBusy.perSecond, 'bare', bareRate, {
    atLeast: 1.1,
  }),
  perSecond('GET /v1/users/me, 16 clients', (r) => r.meBusy.perSecond, 'bare', bareRate),
];

/** Of the service's processes, or the bare server's: what a busy machine changes least. */
const cpu: Row<Round>[] = [
  microseconds('CPU of a bare request', bareCpu),
  microseconds('… of a GET /v1/auth/sessions', (r) => r.sessionsBusy.cpu, 'bare', bareCpu),
  microseconds('… of a POST /v1/authz/check', (r) => r.checkBusy.cpu, 'bare', bareCpu),
  microseconds('… of a GET /v1/users/me', (r) => r.meBusy.cpu, 'bare', bareCpu),
  microseconds(
    '… of a refresh, 32 users',
    (r) => r.refresh32.cpu,
    'a signature',
    (r) => r.rsa.cpu,
  ),
  microseconds('… of the client that asks', (r) => r.bareBusy.clientCpu, 'bare', bareCpu),
];

const alone: Row<Round>[] = [
  milliseconds('bare Fastify + Redis GET, 1 client, p50', (r) => r.bare.p50),
  ...(['sessions', 'check', 'me'] as const).map((name) =>
    milliseconds(
      `${{ sessions: 'GET /v1/auth/sessions', check: 'POST /v1/authz/check', me: 'GET /v1/users/me' }[name]}, 1 client, p50`,
      (r) => r[name].p50,
      'bare p50',
      (r) => r.bare.p50,
    ),
  ),
  milliseconds('GET /v1/auth/sessions at 100/s, idle, p50', (r) => r.idle.p50),
  milliseconds(
    '… while 16 sign in, p50',
    (r) => r.storm.p50,
    'idle',
    (r) => r.idle.p50,
  ),
  milliseconds('… the slowest when all 16 begin at once', (r) => r.storm.leadWorst),
];

const vault: Row<Round>[] = [
  perSecond('rows of an account and its credentials, 1 connection', (r) => r.databaseRead.perSecond),
  perSecond('… 16 connections', (r) => r.databaseReadBusy.perSecond),
  perSecond('… and one committed insert each, 1 connection', (r) => r.databaseRecord.perSecond),
  perSecond('… 16 connections', (r) => r.databaseRecordBusy.perSecond),
  perSecond(
    'credentials for a service, 1 client',
    (r) => r.handOff.perSecond,
    'rows and insert',
    (r) => r.databaseRecord.perSecond,
  ),
  perSecond(
    'credentials for a service, 16 clients, 16 accounts',
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

export const serviceRows: Row<Round>[] = [...targets, ...cpu, ...alone, ...vault];

/** What the figures do not say by themselves. */
export const NOTES = `
The guarded GET is GET /v1/auth/sessions: it checks its session and reads the list of them; no route asks for a session
alone. The check asks whether the caller holds a permission. Bare server and service have the same number of processes.
Of what is under way when a measurement begins or ends its part is counted, and nothing of its lead (a quarter of a
second, with sign-ins one and a half): a rate over HTTP is that of clients who are all at work. Clients and PostgreSQL and
Redis share the cores with them; CPU is of the service's processes, threads included.
A read of credentials is three statements (whose key it is, the rows, and the record of the read, which is committed
before the reply) and questions about the key's account and its limit; the data key comes from memory. The relay
publishes each record meanwhile. The bare reads and inserts are statements of one connection each, without HTTP.
`;
