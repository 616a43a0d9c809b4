import { Injectable, OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { withDeadline } from '../deadline';
import { askToWrite } from '../redis/ask-primary';
import { Metrics } from './metrics';
import { metricsRegistry } from './metrics-registry';

const DEADLINE_MS = 1_000;
const registers = [metricsRegistry];

const connections = new Gauge({
  name: 'user_service_postgres_pool_connections',
  help: 'Connections of this instance to PostgreSQL: in_use or idle',
  labelNames: ['state'],
  registers,
});

const most = new Gauge({
  name: 'user_service_postgres_pool_connections_max',
  help: 'Connections to PostgreSQL that this instance may have (DATABASE_POOL_SIZE + DATABASE_MAX_OVERFLOW)',
  registers,
});

const waiting = new Gauge({
  name: 'user_service_postgres_pool_waiting',
  help: 'Requests for a connection to PostgreSQL that wait until one is free',
  registers,
});

const redisUp = new Gauge({
  name: 'user_service_redis_up',
  help: '1 when Redis has taken a write of each process within a second (a cluster: when any node answers), else 0',
  aggregator: 'min',
  registers,
});

/** The connections of this process to its stores, as they are at the scrape. */
@Injectable()
export class StoreMetrics implements OnModuleInit {
  constructor(
    private readonly dataSource: DataSource,
    private readonly redis: Redis,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    // TypeORM's name for pg's pool, which its types leave out.
    const { master: pool } = this.dataSource.driver as unknown as { master: Pool };
    this.metrics.beforeScrape(() => {
      connections.set({ state: 'in_use' }, pool.totalCount - pool.idleCount);
      connections.set({ state: 'idle' }, pool.idleCount);
      most.set(pool.options.max);
      waiting.set(pool.waitingCount);
    });
    this.metrics.beforeScrape(async () => {
      const answer = withDeadline(askToWrite(this.redis), DEADLINE_MS, 'Redis');
      redisUp.set(
        await answer.then(
          () => 1,
          () => 0,
        ),
      );
    });
  }
}
