import { Inject, Injectable, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import Piscina from 'piscina';
import { CONFIG, Config } from '../config/config';
import { Metrics } from '../infra/metrics/metrics';
import { workerFile } from '../infra/worker-file';
import { BCRYPT_MAX_BYTES } from './bcrypt-limit';
import type { HashTask } from './hash.worker';
import { hashDuration, hashesRefused, hashQueue, hashThreads, hashThreadsBusy } from './hashing-metrics';
import { hashingBusy } from './passwords.errors';

/**
 * Hashes and checks passwords in threads of its own, one a core by default, behind a bounded queue: a storm of
 * sign-ins makes sign-ins wait and then fail with 503, and nothing else.
 */
@Injectable()
export class PasswordHasher implements OnModuleInit, OnApplicationShutdown {
  private readonly pool: Piscina;
  /** Tasks in the queue or in a thread. */
  private inHand = 0;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly metrics: Metrics,
  ) {
    this.pool = new Piscina({
      filename: workerFile(__filename, './hash.worker'),
      minThreads: config.PASSWORD_HASH_CONCURRENCY,
      maxThreads: config.PASSWORD_HASH_CONCURRENCY,
      maxQueue: config.PASSWORD_HASH_QUEUE,
    });
  }

  onModuleInit(): void {
    this.metrics.beforeScrape(() => this.measure());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.destroy();
  }

  /** bcrypt at PASSWORD_BCRYPT_COST. @throws hashing_busy */
  async hash(password: string): Promise<string> {
    return this.run({ kind: 'hash', password, cost: this.config.PASSWORD_BCRYPT_COST });
  }

  /**
   * Null as hash takes as long as a wrong password, and is never right; so does a cheaper bcrypt hash of former days.
   * @throws hashing_busy before anything was compared.
   */
  async verify(password: string, hash: string | null): Promise<boolean> {
    return this.run({ kind: 'verify', password, hash, today: this.config.PASSWORD_BCRYPT_COST });
  }

  /** 0 to 4, see `passwordScore`. @throws hashing_busy */
  async score(password: string, about: string[]): Promise<number> {
    return this.run({ kind: 'score', password, about });
  }

  /** Whether a right password should be hashed anew: another scheme, or another cost than today's. */
  isOutdated(hash: string, password: string): boolean {
    if (Buffer.byteLength(password) > BCRYPT_MAX_BYTES) return false;
    return !new RegExp(`^\\$2[aby]\\$${String(this.config.PASSWORD_BCRYPT_COST).padStart(2, '0')}\\$`).test(
      hash,
    );
  }

  private async run<T>(task: HashTask): Promise<T> {
    if (this.pool.queueSize >= this.config.PASSWORD_HASH_QUEUE) {
      hashesRefused.inc();
      throw hashingBusy({ retryAfter: 2 });
    }
    const end = hashDuration.startTimer({ task: task.kind });
    this.inHand++;
    try {
      return (await this.pool.run(task)) as T;
    } finally {
      this.inHand--;
      end();
    }
  }

  private measure(): void {
    const { queueSize, threads } = this.pool;
    hashQueue.set(queueSize);
    hashThreads.set(threads.length);
    hashThreadsBusy.set(Math.min(this.inHand - queueSize, threads.length));
  }
}
