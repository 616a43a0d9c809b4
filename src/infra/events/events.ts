import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { EventData, eventPriorities, EventType } from './event-types';

export interface NewEvent<T extends EventType = EventType> {
  type: T;
  /** What it happened to, `kind:id`, for example `user:<id>`. Events of one subject keep their order. */
  subject: string;
  data: EventData[T];
  /** Who did it. Default: the caller, or the subject where nobody is signed in. */
  actor?: string;
  /** The object concerned, where it is not the subject, `kind:id`. */
  resource?: string;
}

/** Writes what happened into the same transaction as the change itself; the relay tells the others later. */
@Injectable()
export class Events {
  constructor(
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Records an event in the caller's transaction. It exists if, and only if, that transaction commits.
   * One round trip. Transactions that record for the same subject wait for each other, which makes the outbox's order
   * within a subject the order of commits. Whoever changes the subject's own row too does so first: one order of locks, or
   * two transactions could wait for each other for ever.
   */
  async record<T extends EventType>(tx: EntityManager, caller: Caller, event: NewEvent<T>): Promise<void> {
    await tx.query(
      `WITH ordered AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended($6, 0))),
       recorded AS (
         INSERT INTO events
           (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata)
         SELECT $1::uuid, $2, $3::timestamptz, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb FROM ordered
         RETURNING event_id, "timestamp"
       )
       INSERT INTO event_outbox (event_id, "timestamp") SELECT event_id, "timestamp" FROM recorded`,
      [
        newId(),
        event.type,
        this.clock.date(),
        this.config.APP_NAME,
        eventPriorities[event.type] ?? 'normal',
        event.subject,
        event.actor ?? caller.actor ?? (caller.userId ? `user:${caller.userId}` : event.subject),
        event.resource ?? null,
        JSON.stringify(event.data),
        JSON.stringify({
          request_id: caller.requestId,
          ip: caller.ip,
          user_agent: caller.userAgent,
          ...(caller.apiKeyId !== undefined && { api_key_id: caller.apiKeyId }),
        }),
      ],
    );
  }
}
