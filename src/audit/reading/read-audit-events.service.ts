import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Decisions } from '../../authz/decisions.service';
import { IdentifiedCaller } from '../../common/caller';
import { notFound, validationFailed } from '../../common/common.errors';
import { User } from '../../identities/user.entity';
import { Events } from '../../infra/events/events';
import { auditEventItem } from './audit-event-item';
import { AuditEventList, AuditEventsQuery } from './audit-event.dto';
import { AuditEvents } from './audit-events.service';
import { EventCursor, EventFilter } from './event-search';
import { timeRange } from './time-range';

/** More is not counted: nobody reads on so far, and each row would cost. */
const COUNTED = 10_000;

/** Shows somebody the events of an account: the own, or with `audit:read` another's, which is an event itself. */
@Injectable()
export class ReadAuditEvents {
  constructor(
    private readonly db: EntityManager,
    private readonly decisions: Decisions,
    private readonly auditEvents: AuditEvents,
    private readonly events: Events,
  ) {}

  /** @throws not_found for another user, also where `audit:read` is missing; validation_failed */
  async run(caller: IdentifiedCaller, query: AuditEventsQuery): Promise<AuditEventList> {
    const userId = query.user_id?.toLowerCase() ?? caller.userId;
    const isAnothers = userId !== caller.userId;
    const { allowed: seesAll } = await this.decisions.checkCaller(caller, 'audit:read');
    // As for an id that nobody has: whether there is such an account is not for everybody.
    if (isAnothers && !seesAll) throw notFound();
    const { limit, offset, event_type: eventType } = query;
    const filter: EventFilter = { userId, eventType, ...timeRange(query) };
    if (isAnothers) await this.requireAccount(userId);
    const after = await this.place(userId, query);
    // One more tells whether there is another page.
    const part = { after, limit: limit + 1, offset };
    const { events, count } = await this.auditEvents.list(filter, part, COUNTED + 1);
    if (isAnothers) await this.recordLook(caller, filter);
    return {
      events: events
        .slice(0, limit)
        .map((event) => auditEventItem(event, { userId: caller.userId, seesAll })),
      total: Math.min(count, COUNTED),
      total_is_exact: count <= COUNTED,
      limit,
      offset,
      has_more: events.length > limit,
    };
  }

  /** Also one that was deleted, and erased: its events are not. */
  private async requireAccount(userId: string): Promise<void> {
    if (!(await this.db.existsBy(User, { id: userId }))) throw notFound();
  }

  private async place(userId: string, { after, offset }: AuditEventsQuery): Promise<EventCursor | undefined> {
    if (after === undefined) return undefined;
    if (offset > 0) throw invalid('offset', 'offset and after exclude each other');
    const place = await this.auditEvents.placeOf(userId, after);
    if (!place) throw invalid('after', 'after must be the event_id of an event of this account');
    return place;
  }

  /** Committed before the reply leaves: nobody looks and is not seen. */
  private async recordLook(
    caller: IdentifiedCaller,
    { userId, eventType, from, to }: EventFilter,
  ): Promise<void> {
    await this.db.transaction((tx) =>
      this.events.record(tx, caller, {
        type: 'audit.read',
        subject: `user:${userId}`,
        data: {
          event_type: eventType ?? null,
          start_date: from?.toISOString() ?? null,
          end_date: to?.toISOString() ?? null,
        },
      }),
    );
  }
}

const invalid = (field: string, message: string): Error => validationFailed({ fields: [{ field, message }] });
