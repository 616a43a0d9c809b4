import { Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { Redis, Result } from 'ioredis';
import { EntityManager } from 'typeorm';
import { EventData } from '../infra/events/event-types';
import { SessionGate } from './session-gate';
import { knowsScript, learntScript } from './session-scripts';
import { SessionStore } from './session-store';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    knowsRevocations(key: string): Result<[process: string, knows: 0 | 1], Context>;
    learntRevocations(key: string, process: string): Result<0 | 1, Context>;
  }
}

const KEY = 'sessions:known-by';
const RETRY_MS = 200;
const PAGE = 500;
/** A replica that lagged behind for longer than this is beyond it. */
const MINUTES = 10;
const FIRST: Place = ['-infinity', '00000000-0000-0000-0000-000000000000'];

type Place = [timestamp: string, eventId: string];
/** How far this Redis process has been told, on one connection. */
interface Told {
  process?: string;
  after: Place;
  failures: number;
}
interface Revocation {
  event_id: string;
  at: string;
  subject: string;
  data: EventData['session.revoked'];
}

/**
 * Keeps the gate shut on every new connection until this Redis knows the revocations of the last ten minutes: one that
 * was restarted, or took over from another, may have lost them. The relay ends those sessions too, but after the first
 * requests. Which Redis knows is written in Redis, under the id of its process, which no replica shares.
 */
@Injectable()
export class KnownRevocations implements OnModuleInit {
  private readonly logger = new Logger('Sessions');
  /** Grows with each connection: what was found out on one says nothing of the next. */
  private connection = 0;

  constructor(
    private readonly redis: Redis,
    private readonly db: EntityManager,
    private readonly store: SessionStore,
    private readonly gate: SessionGate,
  ) {
    redis.defineCommand('knowsRevocations', { numberOfKeys: 1, lua: knowsScript });
    redis.defineCommand('learntRevocations', { numberOfKeys: 1, lua: learntScript });
  }

  async onModuleInit(): Promise<void> {
    // A cluster has a process for each part of the keys, and changes them without a word.
    if (this.redis.isCluster) return;
    this.redis.on('close', () => {
      this.connection++;
      this.gate.shut();
    });
    this.redis.on('ready', () => void this.keepTelling(this.connection));
    this.gate.shut();
    await this.keepTelling(this.connection);
  }

  /** Until it succeeds, or the connection is another one. Goes on where it failed, and logs the first failure only. */
  private async keepTelling(connection: number, told: Told = { after: FIRST, failures: 0 }): Promise<void> {
    try {
      await this.tell(told);
      if (connection === this.connection) this.gate.open();
    } catch (error) {
      if (connection !== this.connection) return;
      if (told.failures++ === 0)
        this.logger.warn(`sessions wait until Redis knows who was signed out: ${(error as Error).message}`);
      setTimeout(() => {
        if (connection === this.connection) void this.keepTelling(connection, told);
      }, RETRY_MS).unref();
    }
  }

  private async tell(told: Told): Promise<void> {
    for (;;) {
      // Asked before each page: another process may have told it all by now.
      const [process, knows] = await this.redis.knowsRevocations(KEY);
      if (knows) return;
      if (process !== told.process) Object.assign(told, { process, after: FIRST });
      const page = await this.pageAfter(told.after);
      // Nobody remembers any of them: what was kept went with the connection, and gates open after this.
      await Promise.all(
        page.map(({ subject, data }) => this.store.carryOut(subject.slice('user:'.length), data)),
      );
      const last = page.at(-1);
      if (last && page.length === PAGE) told.after = [last.at, last.event_id];
      else if (await this.redis.learntRevocations(KEY, process)) return;
    }
  }

  /** Oldest first. */
  private pageAfter(place: Place): Promise<Revocation[]> {
    return this.db.query<Revocation[]>(
      `SELECT event_id, "timestamp"::text AS at, subject, data FROM events
       WHERE event_type = 'session.revoked' AND "timestamp" > now() - make_interval(mins => $1)
         AND ("timestamp", event_id) > ($2::timestamptz, $3::uuid)
       ORDER BY "timestamp", event_id LIMIT $4`,
      [MINUTES, ...place, PAGE],
    );
  }
}
