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

  /** Until it succeeds, or the connection is another one. */
  private async keepTelling(connection: number): Promise<void> {
    try {
      await this.tell();
      if (connection === this.connection) this.gate.open();
    } catch (error) {
      if (connection !== this.connection) return;
      this.logger.warn(`sessions wait until Redis knows who was signed out: ${(error as Error).message}`);
      setTimeout(() => void this.keepTelling(connection), RETRY_MS).unref();
    }
  }

  private async tell(): Promise<void> {
    const [process, knows] = await this.redis.knowsRevocations(KEY);
    if (knows) return;
    for await (const page of this.recent()) await Promise.all(page.map((event) => this.end(event)));
    if (!(await this.redis.learntRevocations(KEY, process))) throw new Error('another Redis answers now');
  }

  private async end({ subject, data }: Revocation): Promise<void> {
    const userId = subject.slice('user:'.length);
    await this.store.revoke(userId, data.session_ids);
    if (data.before_epoch === undefined) return;
    const { before_epoch, kept_session_ids = [], reason } = data;
    await this.store.revokeBefore(userId, before_epoch, kept_session_ids, reason);
  }

  /** Oldest first. */
  private async *recent(): AsyncGenerator<Revocation[]> {
    for (let after: Place | undefined = FIRST; after;) {
      const page: Revocation[] = await this.db.query<Revocation[]>(
        `SELECT event_id, "timestamp"::text AS at, subject, data FROM events
         WHERE event_type = 'session.revoked' AND "timestamp" > now() - make_interval(mins => $1)
           AND ("timestamp", event_id) > ($2::timestamptz, $3::uuid)
         ORDER BY "timestamp", event_id LIMIT $4`,
        [MINUTES, ...after, PAGE],
      );
      yield page;
      const last = page.at(-1);
      after = last && page.length === PAGE ? [last.at, last.event_id] : undefined;
    }
  }
}
