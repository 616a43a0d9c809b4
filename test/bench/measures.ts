import { DatabaseJob, DatabaseResult } from './bare-database';
import { BareJob } from './bare-server';
import { BoundJob } from './bounds';
import { Child } from './child';
import { Lane, LoadJob, LoadResult } from './load';
import { Member } from './bench-service';
import { Stage } from './stage';

/** One round: everything once, what a ratio compares close together. */
export interface Round {
  bcrypt: number;
  signIn: number;
  rsa: number;
  refresh8: number;
  refresh32: number;
  bare: LoadResult;
  bareBusy: LoadResult;
  me: LoadResult;
  meBusy: LoadResult;
  sessions: LoadResult;
  sessionsBusy: LoadResult;
  idle: LoadResult;
  storm: LoadResult;
  databaseRead: DatabaseResult;
  databaseReadBusy: DatabaseResult;
  databaseRecord: DatabaseResult;
  databaseRecordBusy: DatabaseResult;
  handOff: LoadResult;
  handOffBusy: LoadResult;
  /** All clients read the same account. */
  handOffOfOne: LoadResult;
}

const BUSY_CLIENTS = 16;
const STORM_CLIENTS = 16;
const STORM_RATE = 100;

/** Asks the service, and the machine, over and over. */
export class Measures {
  private readonly load = new Child<LoadJob, LoadResult>('load');
  private readonly background = new Child<LoadJob, LoadResult>('load');
  private readonly bounds = new Child<BoundJob, number>('bounds');
  private readonly bareDatabase = new Child<DatabaseJob, DatabaseResult>('bare-database');
  private readonly bareServer = new Child<BareJob, string>('bare-server');
  private bareUrl = '';

  constructor(
    private readonly stage: Stage,
    /** Seconds of a measurement. */
    private readonly seconds: number,
  ) {}

  async prepare(): Promise<void> {
    this.bareUrl = await this.bareServer.run({ redisUrl: this.stage.redisUrl });
    // Compiles the hot paths before anything counts.
    for (const path of ['/v1/users/me', '/v1/auth/sessions']) await this.get(path, BUSY_CLIENTS, 3);
    await this.refresh(8, 4);
    await this.bare(BUSY_CLIENTS, 1);
    await this.handOff(this.accounts(BUSY_CLIENTS), 2);
    await this.database(BUSY_CLIENTS, true, 1);
  }

  async round(): Promise<Round> {
    const { seconds } = this;
    return {
      bcrypt: await this.bounds.run({ kind: 'bcrypt', seconds: 2 * seconds }),
      signIn: (await this.signIn(this.load, 8, 2 * seconds)).perSecond,
      rsa: await this.bounds.run({ kind: 'rsa', seconds }),
      refresh8: (await this.refresh(8, seconds)).perSecond,
      refresh32: (await this.refresh(32, seconds)).perSecond,
      bare: await this.bare(1, seconds),
      me: await this.get('/v1/users/me', 1, seconds),
      sessions: await this.get('/v1/auth/sessions', 1, seconds),
      bareBusy: await this.bare(BUSY_CLIENTS, seconds),
      meBusy: await this.get('/v1/users/me', BUSY_CLIENTS, seconds),
      sessionsBusy: await this.get('/v1/auth/sessions', BUSY_CLIENTS, seconds),
      idle: await this.trickle(2 * seconds),
      storm: await this.storm(2 * seconds),
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

  private async bare(clients: number, seconds: number): Promise<LoadResult> {
    const lanes = Array.from({ length: clients }, (): Lane => ({ method: 'GET', path: '/' }));
    return this.load.run({ url: this.bareUrl, lanes, seconds });
  }

  private async get(path: string, clients: number, seconds: number): Promise<LoadResult> {
    return this.load.run({ url: this.stage.url, lanes: this.readers(path, clients), seconds });
  }

  private async database(clients: number, isRecorded: boolean, seconds: number): Promise<DatabaseResult> {
    const { databaseUrl } = this.stage;
    return this.bareDatabase.run({ databaseUrl, accountIds: this.accounts(clients), isRecorded, seconds });
  }

  /** A client for each account that is named. */
  private async handOff(accountIds: string[], seconds: number): Promise<LoadResult> {
    const { url, accounts } = this.stage;
    const lanes = accountIds.map((id): Lane => ({
      method: 'POST',
      path: `/v1/internal/trading-accounts/${id}/credentials`,
      body: { reason: 'place order' },
      apiKey: accounts.apiKey,
    }));
    return this.load.run({ url, lanes, seconds });
  }

  private accounts(count: number): string[] {
    return this.stage.accounts.accountIds.slice(0, count);
  }

  private async signIn(
    load: Child<LoadJob, LoadResult>,
    clients: number,
    seconds: number,
  ): Promise<LoadResult> {
    const lanes = this.some(clients).map(({ email, password }): Lane => ({
      method: 'POST',
      path: '/v1/auth/login',
      body: { email, password, token_delivery: 'body' },
    }));
    return load.run({ url: this.stage.url, lanes, seconds });
  }

  /** Each client has a session of its own, whose token goes on from measurement to measurement. */
  private async refresh(clients: number, seconds: number): Promise<LoadResult> {
    const members = this.some(clients);
    const lanes = members.map(({ refreshToken }): Lane => ({
      method: 'POST',
      path: '/v1/auth/refresh',
      body: { refresh_token: refreshToken },
      chained: true,
    }));
    const result = await this.load.run({ url: this.stage.url, lanes, seconds });
    result.lanes.forEach(({ body }, i) => (members[i]!.refreshToken = String(body?.refresh_token)));
    return result;
  }

  private async trickle(seconds: number): Promise<LoadResult> {
    const lanes = this.readers('/v1/users/me', BUSY_CLIENTS);
    return this.load.run({ url: this.stage.url, lanes, seconds, rate: STORM_RATE });
  }

  /** Times of the trickle while people sign in as fast as they are let. */
  private async storm(seconds: number): Promise<LoadResult> {
    const signIns = this.signIn(this.background, STORM_CLIENTS, seconds);
    const [result] = await Promise.all([this.trickle(seconds), signIns]);
    return result;
  }

  private readers(path: string, clients: number): Lane[] {
    return this.some(clients).map(({ accessToken }) => ({ method: 'GET', path, token: accessToken }));
  }

  private some(count: number): Member[] {
    return this.stage.members.slice(0, count);
  }
}
