import { LRUCache } from 'lru-cache';

const MOST_KEYS = 10_000;
/** Of one key: sessions of one user that are in use at the same time. */
const MOST_PARTS = 8;

/** A read under way: what it brings may be kept, unless the key changed meanwhile. */
export interface NearReading {
  key: string;
  isOvertaken: boolean;
}

/** What was read from Redis, in parts of its keys, each dropped with its key. Bounded: the least recently used go first. */
export class NearEntries {
  private readonly kept = new LRUCache<string, Map<string, unknown>>({ max: MOST_KEYS });
  private readonly underWay = new Map<string, Set<NearReading>>();

  find(key: string, part: string): unknown {
    return this.kept.get(key)?.get(part);
  }

  /** Before the question is sent; `end` it, whatever comes of it. */
  begin(key: string): NearReading {
    const reading = { key, isOvertaken: false };
    const others = this.underWay.get(key);
    if (others) others.add(reading);
    else this.underWay.set(key, new Set([reading]));
    return reading;
  }

  keep({ key, isOvertaken }: NearReading, part: string, value: unknown): void {
    if (isOvertaken) return;
    const parts = this.kept.get(key);
    if (!parts || (parts.size >= MOST_PARTS && !parts.has(part)))
      this.kept.set(key, new Map([[part, value]]));
    else parts.set(part, value);
  }

  end(reading: NearReading): void {
    const readings = this.underWay.get(reading.key);
    readings?.delete(reading);
    if (readings?.size === 0) this.underWay.delete(reading.key);
  }

  drop(key: string): void {
    this.kept.delete(key);
    for (const reading of this.underWay.get(key) ?? []) reading.isOvertaken = true;
  }

  clear(): void {
    this.kept.clear();
    for (const readings of this.underWay.values()) for (const reading of readings) reading.isOvertaken = true;
  }
}
