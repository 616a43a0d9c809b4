import { Injectable } from '@nestjs/common';
import { bulkhead } from 'cockatiel';
import { EntityManager } from 'typeorm';

/** Connections of the pool that sending may hold, however many receivers there are: the others are for requests. */
const AT_ONCE = 3;

/** The database, as far as the senders of this process may ask it. */
@Injectable()
export class SendingDatabase {
  private readonly few = bulkhead(AT_ONCE, Infinity);

  constructor(private readonly db: EntityManager) {}

  /** @param begins is called when the statement does: with many receivers it waits for its turn. */
  query<T>(sql: string, values: unknown[], begins?: () => void): Promise<T> {
    return this.few.execute(() => {
      begins?.();
      return this.db.query<T>(sql, values);
    });
  }

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.few.execute(() => this.db.transaction(work));
  }
}
