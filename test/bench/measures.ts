import { DatabaseJob, DatabaseResult } from './bare-database';
import { BareJob } from './bare-server';
import { Member } from './bench-service';
import { Bound, BoundJob } from './bounds';
import { Child } from './child';
import { Lane, LoadJob, LoadResult } from './load';
import { cpuTime } from './processes';
import { Stage } from './stage';

/** With the microseconds of a core that the servers' processes took for each request. */
export type Measured = LoadResult & { cpu: number };

/** One round: everything once, what a ratio compares close together. */
export interface Round {
  bcrypt: Bound;
  signIn: Measured;
  idle: LoadResult;
  storm: LoadResult;
  /** Sign-ins a second meanwhile. */
  stormSignIns: number;
  rsa: Bound;
  refresh8: Measured;
  refresh32: Measured;
  bare: Measured;
  sessions: Measured;
  check: Measured;
  me: Measured;
  bareBusy: Measured;
  sessionsBusy: Measured;
  checkBusy: Measured;
  meBusy: Measured;
  databaseRead: DatabaseResult;
  databaseReadBusy: DatabaseResult;
  databaseRecord: DatabaseResult;
  databaseRecordBusy: DatabaseResult;
  handOff: Measured;
  handOffBusy: Measured;
  /** All clients read the same account. */
  handOffOfOne: Measured;
}

const BUSY_CLIENTS = 16;
const STORM_CLIENTS = 16;
const STORM_RATE = 100;
/** Seconds until as much is under way as will be, and all clients are connected. */
const LEAD = 0.25;
/** A sign-in with seven others before it takes most of a second. */
const SIGN_IN_LEAD = 1.5;

type Ask = Pick<Lane, 'method' | 'path' | 'body'>;

export const ME: Ask = { method: 'GET', path: '/v1/users/me' };
export const SESSIONS: Ask = { method: 'GET', path: '/v1/auth/sessions' };
export const CHECK: Ask = {
  method: 'POST',
  path: '/v1/authz/check',
  body: { permission: 'trading_account:view' },
};

/** Asks the service, and the machine, over and over. */
export class Measures {
  private readonly load = new Child<LoadJob, LoadResult>('load');
  private readonly background = new Child<LoadJob, LoadResult>('load');
  private readonly bounds = new Child<BoundJob, Bound>('bounds');
  private readonly bareDatabase = new Child<DatabaseJob, DatabaseResult>('bare-database');
  private readonly bareServer = new Child<BareJob, string>('bare-server');
  private bareUrl = '';

  constructor(
    private readonly stage: Stage,
    /** Seconds of a measurement. */
    private readonly seconds: number,
  ) {}

  async prepare(): Promise<void> {
    const { redisUrl, processes } = this.stage;
    this.bareUrl = await this.bareServer.run({ redisUrl, processes });
    // Compiles the hot paths before anything counts, in each process.
    const { seconds } = this;
    for (const ask of [ME, SESSIONS, CHECK]) await this.ask(ask, BUSY_CLIENTS, 2 * seconds);
    await this.refresh(32, 3 * seconds);
    await this.bare(BUSY_CLIENTS, seconds);
    await this.handOff(this.accounts(BUSY_CLIENTS), seconds);
    await this.database(BUSY_CLIENTS, true, seconds);
  }

  async round(): Promise<Round> {
    const { seconds } = this;
    const bcrypt = await this.bounds.run({ kind: 'bcrypt', seconds: 4 * seconds });
    const signIn = await this.signIn(this.load, 8, 4 * seconds);
    const idle = await this.trickle(4 * seconds);
    const { storm, stormSignIns } = await this.storm(4 * seconds);
    const rsa = await this.bounds.run({ kind: 'rsa', seconds });
    return {
      bcrypt,
      signIn,
      idle,
      storm,
      stormSignIns,
      rsa,
      refresh32: await this.refresh(32, seconds),
      refresh8: await this.refresh(8, seconds),
      sessionsBusy: await this.ask(SESSIONS, BUSY_CLIENTS, seconds),
      bareBusy: await this.bare(BUSY_CLIENTS, seconds),
      checkBusy: await this.ask(CHECK, BUSY_CLIENTS, seconds),
      meBusy: await this.ask(ME, BUSY_CLIENTS, seconds),
      bare: await this.bare(1, seconds),
      sessions: await this.ask(SESSIONS, 1, seconds),
      check: await this.ask(CHECK, 1, seconds),
      me: await this.ask(ME, 1, seconds),
      databaseRead: await this.database(1, false, seconds),
      databaseRecord: await this.database(1, true, seconds),
      handOff: await this.handOff(this.accounts(1), seconds),
      databaseReadBusy: await this.database(BUSY_CLIENTS, false, seconds),
      databaseRecordBusy: await this.database(BUSY_CLIENTS, true, seconds),
      handOffBusy: await this.handOff(this.accounts(BUSY_CLIENTS), seconds),
      handOffOfOne: await this.handOff(
        Array.from({ length: BUSY_CLIENTS }, () => this.accounts(1)[0]!),
        seconds,
      ),
    };
  }

  stop(): void {
    for (const child of [this.load, this.background, this.bounds, this.bareServer, this.bareDatabase])
      child.stop();
  }

  private async bare(clients: number, seconds: number): Promise<Measured> {
    const lanes = Array.from({ length: clients }, (): Lane => ({ method: 'GET', path: '/' }));
    return this.counted(this.bareServer.pid, this.load, { url: this.bareUrl, lanes, seconds, lead: LEAD });
  }

  private async ask(what: Ask, clients: number, seconds: number): Promise<Measured> {
    return this.asked(this.load, this.readers(what, clients), seconds);
  }

  private asked(
    load: Child<LoadJob, LoadResult>,
    lanes: Lane[],
    seconds: number,
    lead = LEAD,
  ): Promise<Measured> {
    return this.counted(this.stage.pid, load, { url: this.stage.url, lanes, seconds, lead });
  }

  private async counted(pid: number, load: Child<LoadJob, LoadResult>, job: LoadJob): Promise<Measured> {
    const before = cpuTime(pid);
    const result = await load.run(job);
    return { ...result, cpu: (cpuTime(pid) - before) / result.requests };
  }

  private async database(clients: number, isRecorded: boolean, seconds: number): Promise<DatabaseResult> {
    const { databaseUrl } = this.stage;
    return this.bareDatabase.run({ databaseUrl, accountIds: this.accounts(clients), isRecorded, seconds });
  }

  /** A client for each account that is named. */
  private async handOff(accountIds: string[], seconds: number): Promise<Measured> {
    const lanes = accountIds.map((id): Lane => ({
      method: 'POST',
      path: `/v1/internal/trading-accounts/${id}/credentials`,
      body: { reason: 'place order' },
      apiKey: this.stage.accounts.apiKey,
    }));
    return this.asked(this.load, lanes, seconds);
  }

  private accounts(count: number): string[] {
    return this.stage.accounts.accountIds.slice(0, count);
  }

  /** People who do nothing else: whoever reads has one session to read. */
  private async signIn(
    load: Child<LoadJob, LoadResult>,
    clients: number,
    seconds: number,
  ): Promise<Measured> {
    const lanes = this.stage.members.slice(-clients).map(({ email, password }): Lane => ({
      method: 'POST',
      path: '/v1/auth/login',
      body: { email, password, token_delivery: 'body' },
    }));
    return this.asked(load, lanes, seconds, SIGN_IN_LEAD);
  }

  /** Each client has a session of its own, whose token goes on from measurement to measurement. */
  private async refresh(clients: number, seconds: number): Promise<Measured> {
    const members = this.some(clients);
    const lanes = members.map(({ refreshToken }): Lane => ({
      method: 'POST',
      path: '/v1/auth/refresh',
      body: { refresh_token: refreshToken },
      chained: true,
    }));
    const result = await this.asked(this.load, lanes, seconds);
    result.lanes.forEach(({ body }, i) => (members[i]!.refreshToken = String(body?.refresh_token)));
    return result;
  }

  private async trickle(seconds: number): Promise<LoadResult> {
    const lanes = this.readers(SESSIONS, BUSY_CLIENTS);
    return this.load.run({ url: this.stage.url, lanes, seconds, rate: STORM_RATE, lead: SIGN_IN_LEAD });
  }

  /** The trickle while people sign in as fast as they are let. */
  private async storm(seconds: number): Promise<{ storm: LoadResult; stormSignIns: number }> {
    const signIns = this.signIn(this.background, STORM_CLIENTS, seconds);
    const [storm, { perSecond }] = await Promise.all([this.trickle(seconds), signIns]);
    return { storm, stormSignIns: perSecond };
  }

  private readers(what: Ask, clients: number): Lane[] {
    return this.some(clients).map(({ accessToken }) => ({ ...what, token: accessToken }));
  }

  private some(count: number): Member[] {
    return this.stage.members.slice(0, count);
  }
}
