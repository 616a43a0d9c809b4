import { Inject, Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { BACKGROUND } from '../infra/background';
import { DependencyLog } from '../infra/logging/dependency-log';
import { failureReason } from '../infra/logging/failure-reason';

const FLUSH_EVERY_MS = 30_000;
/** About a megabyte. Whoever has more keys in use loses times, never requests. */
const MOST_KEYS = 10_000;

/**
 * When keys were used last: kept in memory, and written for all keys together now and then, because a write for each
 * request would cost more than the request. A process that dies loses half a minute of it.
 */
@Injectable()
export class ApiKeyUsage implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new DependencyLog(new Logger('ApiKeys'), 'The last use of keys is not written');
  private timer?: NodeJS.Timeout;
  /** Milliseconds since the Unix epoch, by the id of the key. */
  private used = new Map<string, number>();

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.background) this.timer = setInterval(() => void this.flush(), FLUSH_EVERY_MS).unref();
  }

  /** After the last request, before the pool of PostgreSQL closes. */
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  note(keyId: string, at = this.clock.now()): void {
    const known = this.used.get(keyId);
    if (known === undefined && this.used.size >= MOST_KEYS) return;
    this.used.set(keyId, Math.max(at, known ?? 0));
  }

  /** Writes what was noted; should that fail, it is kept for the next time. */
  async flush(): Promise<void> {
    if (this.used.size === 0) return;
    const used = this.used;
    this.used = new Map();
    try {
      await this.write(used);
      this.log.worked();
    } catch (error) {
      this.log.failed(failureReason(error));
      for (const [keyId, at] of used) this.note(keyId, at);
    }
  }

  /** Instances write the same keys: locked in one order, so that they do not wait for each other for ever. */
  private async write(used: ReadonlyMap<string, number>): Promise<void> {
    await this.db.query(
      `WITH used AS (
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at)
       ), locked AS MATERIALIZED (
         SELECT id FROM api_keys WHERE id IN (SELECT id FROM used) ORDER BY id FOR NO KEY UPDATE
       )
       UPDATE api_keys SET last_used_at = used.at FROM used JOIN locked USING (id)
       WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)`,
      [[...used.keys()], [...used.values()].map((at) => new Date(at))],
    );
  }
}
