import { Inject, Injectable, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
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
  /** Of no password; checked where there is no account, so that both take the same time. */
  private readonly decoy: string;
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
    this.decoy = decoyHash(config.PASSWORD_BCRYPT_COST);
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

  /** Null as hash takes as long as a wrong password, and is never right. @throws hashing_busy */
  async verify(password: string, hash: string | null): Promise<boolean> {
    const matches = await this.run<boolean>({ kind: 'verify', password, hash: hash ?? this.decoy });
    // A cheaper hash of former days must not tell that there is an account.
    if (!matches && hash !== null && this.isOutdated(hash, '')) {
      for (const cost of missingCosts(hash, this.config.PASSWORD_BCRYPT_COST))
        await this.run({ kind: 'verify', password, hash: decoyHash(cost) });
    }
    return matches && hash !== null;
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

/**
 * What is left to do after a hash so that both take as long as one of today's: each cost is twice the one before, so
 * 10, 10 and 11 are a 12. All of it after a hash that is no bcrypt, nothing after a dearer one.
 */
function missingCosts(hash: string, today: number): number[] {
  const cost = /^\$2[aby]\$(\d\d)\$/.exec(hash)?.[1];
  if (cost === undefined) return [today];
  return Array.from({ length: Math.max(0, today - Number(cost)) }, (_, i) => Number(cost) + i);
}

/** A bcrypt hash of the right form with random digits: hashing something for it would be the longest part of a start. */
function decoyHash(cost: number): string {
  const digits = randomBytes(40).toString('base64url').replaceAll('-', '.').replaceAll('_', '/').slice(0, 53);
  return `$2b$${String(cost).padStart(2, '0')}$${digits}`;
}
