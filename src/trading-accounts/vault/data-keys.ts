import { Inject, Injectable, OnApplicationShutdown } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Clock } from '../../common/clock';
import { DATA_KEY_BYTES } from '../../infra/kms/envelope';
import { IntegrityError } from '../../infra/kms/integrity-error';
import { KMS, Kms } from '../../infra/kms/kms';
import { PlainKey } from './plain-key';

/** The data key of an account, as it rests. */
export interface AccountKey {
  accountId: string;
  /** The account's owner. */
  userId: string;
  wrappedDataKey: Buffer;
}

const MOST_KEYS = 1000;
const KEPT_MS = 60_000;

interface Cached {
  key: PlainKey;
  /** What it came from: a key that was replaced is not served. */
  wrapped: Buffer;
  /** By the service's clock. */
  since: number;
}

interface Flight {
  wrapped: Buffer;
  waiting: number;
  answer: Promise<PlainKey>;
}

/**
 * Data keys of accounts. In the clear they stay in memory for a minute at most, however often they are used, and 1,000
 * of them at most; they are zeroed when they go, and nobody is handed one to keep.
 */
@Injectable()
export class DataKeys implements OnApplicationShutdown {
  /** The real time counts too, so that a key goes by itself and a clock that was put back keeps none. */
  private readonly cache = new LRUCache<string, Cached>({
    max: MOST_KEYS,
    ttl: KEPT_MS,
    ttlAutopurge: true,
    dispose: ({ key }) => key.release(),
  });
  private readonly flights = new Map<string, Flight>();

  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly clock: Clock,
  ) {}

  /** A new key, under the master key. @throws unavailable */
  async create(accountId: string, userId: string): Promise<AccountKey> {
    const bytes = randomBytes(DATA_KEY_BYTES);
    try {
      return { accountId, userId, wrappedDataKey: await this.kms.wrap(bytes, dataKeyContext(accountId)) };
    } finally {
      bytes.fill(0);
    }
  }

  /**
   * @param work gets the key for as long as it runs: it must neither keep it nor wait for anything.
   * @throws unavailable; IntegrityError when the wrapped key is not what was wrapped for this account; what `work` throws.
   */
  async use<T>(account: AccountKey, work: (plain: Uint8Array) => T): Promise<T> {
    const key = this.cached(account)?.hold() ?? (await this.unwrapped(account));
    try {
      return key.use(work);
    } finally {
      key.release();
    }
  }

  /** For an account that is no more: its key leaves this process at once. */
  forget(accountId: string): void {
    this.flights.delete(accountId);
    this.cache.delete(accountId);
  }

  onApplicationShutdown(): void {
    this.flights.clear();
    this.cache.clear();
  }

  private cached({ accountId, wrappedDataKey }: AccountKey): PlainKey | undefined {
    const found = this.cache.get(accountId);
    if (!found) return undefined;
    const age = this.clock.now() - found.since;
    if (age >= 0 && age < KEPT_MS && found.wrapped.equals(wrappedDataKey)) return found.key;
    this.cache.delete(accountId);
    return undefined;
  }

  /** Held for the caller. Whoever asks for the same key meanwhile waits for the same answer. */
  private async unwrapped({ accountId, wrappedDataKey }: AccountKey): Promise<PlainKey> {
    const underWay = this.flights.get(accountId);
    if (underWay?.wrapped.equals(wrappedDataKey)) {
      underWay.waiting++;
      return underWay.answer;
    }
    const flight: Flight = {
      wrapped: wrappedDataKey,
      waiting: 1,
      answer: Promise.resolve().then(() => this.fly(accountId, flight)),
    };
    this.flights.set(accountId, flight);
    return flight.answer;
  }

  private async fly(accountId: string, flight: Flight): Promise<PlainKey> {
    // From before the question, so that a slow answer lengthens nothing.
    const since = this.clock.now();
    try {
      const bytes = await this.kms.unwrap(flight.wrapped, dataKeyContext(accountId));
      if (bytes.length !== DATA_KEY_BYTES) {
        bytes.fill(0);
        throw new IntegrityError('the data key');
      }
      const key = new PlainKey(bytes, flight.waiting);
      // Not where it was forgotten, or replaced, in the meantime.
      if (this.flights.get(accountId) === flight)
        this.cache.set(accountId, { key: key.hold(), wrapped: flight.wrapped, since });
      return key;
    } finally {
      if (this.flights.get(accountId) === flight) this.flights.delete(accountId);
    }
  }
}

/** What an account's data key is wrapped for; registered for re-wrapping too, see `WrappedColumns`. */
export const dataKeyContext = (accountId: string): string => `trading-account:${accountId}`;
