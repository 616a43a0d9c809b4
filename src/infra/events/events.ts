import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { EventData, eventPriorities, EventType } from './event-types';
import { PersonalData, personalDigest, PersonalPart, splitPersonalData } from './personal-data';

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

/** An event, but for what it happened to. */
export type Happening = { [T in EventType]: Omit<NewEvent<T>, 'subject'> }[EventType];

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
    await this.recordAll(tx, caller, event.subject, [event as NewEvent & Happening]);
  }

  /** As `record`, for what happened to one subject at once, in this order. Also one round trip. */
  async recordAll(
    tx: EntityManager,
    caller: Caller,
    subject: string,
    happenings: readonly Happening[],
  ): Promise<void> {
    const rows = happenings.map((one) => rowOf(caller, subject, one));
    await tx.query(
      `WITH ordered AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended($3, 0))),
       recorded AS (
         INSERT INTO events
           (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata, personal_digests)
         SELECT e.id, e.type, $1::timestamptz, $2, e.priority, $3, e.actor, e.resource, e.data, e.metadata, e.digests
         FROM ordered CROSS JOIN unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[],
           $10::jsonb[], $11::jsonb[]) AS e (id, type, priority, actor, resource, data, metadata, digests)
         RETURNING event_id, "timestamp"
       ),
       personal AS (
         INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
         SELECT event_id, "timestamp", part, user_id, decode(salt, 'hex'), content
         FROM recorded
         JOIN jsonb_to_recordset($12::jsonb) AS p (event_id uuid, part text, user_id uuid, salt text, content jsonb)
           USING (event_id)
       )
       INSERT INTO event_outbox (event_id, "timestamp") SELECT event_id, "timestamp" FROM recorded ORDER BY event_id`,
      [
        this.clock.date(),
        this.config.APP_NAME,
        subject,
        rows.map(({ id }) => id),
        rows.map(({ type }) => type),
        rows.map(({ priority }) => priority),
        rows.map(({ actor }) => actor),
        rows.map(({ resource }) => resource),
        rows.map(({ data }) => data),
        rows.map(({ metadata }) => metadata),
        rows.map(({ digests }) => digests),
        JSON.stringify(rows.flatMap(({ personal }) => personal)),
      ],
    );
  }
}

/** As the table has it: JSON as text. */
function rowOf(caller: Caller, subject: string, event: Happening) {
  const id = newId();
  const actor = event.actor ?? caller.actor ?? (caller.userId ? `user:${caller.userId}` : subject);
  const subjectId = userIdOf(subject);
  const data = splitPersonalData(event.type, 'data', event.data, subjectId);
  const about = userIdOf(actor) ?? caller.userId ?? subjectId;
  const metadata = splitPersonalData(event.type, 'metadata', metadataOf(caller), about);
  const personal = [data.personal, metadata.personal].filter((part) => part !== null);
  return {
    id,
    type: event.type,
    priority: eventPriorities[event.type] ?? 'normal',
    actor,
    resource: event.resource ?? null,
    data: JSON.stringify(data.kept),
    metadata: JSON.stringify(metadata.kept),
    digests: personal.length > 0 ? JSON.stringify(digestsOf(personal)) : null,
    personal: personal.map(({ part, userId, salt, content }) => ({
      event_id: id,
      part,
      user_id: userId,
      salt: salt.toString('hex'),
      content,
    })),
  };
}

/** What is told of the request. The service itself has no address. */
function metadataOf(caller: Caller): Record<string, unknown> {
  return {
    request_id: caller.requestId,
    ...(caller.actor !== 'system' && { ip: caller.ip, user_agent: caller.userAgent }),
    ...(caller.apiKeyId !== undefined && { api_key_id: caller.apiKeyId }),
  };
}

function userIdOf(party: string): string | null {
  return /^user:([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/.exec(party)?.[1] ?? null;
}

function digestsOf(personal: readonly PersonalData[]): Partial<Record<PersonalPart, string>> {
  return Object.fromEntries(personal.map(({ part, salt, content }) => [part, personalDigest(salt, content)]));
}
