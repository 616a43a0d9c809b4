import { RecordedEvent } from '../../infra/events/recorded-event';
import type { AuditEventItem } from './audit-event.dto';

/** Whoever reads events. */
export interface EventReader {
  userId: string;
  /** Holds `audit:read`. */
  seesAll: boolean;
}

/** Members of `data` that those whom the event happened to are not told: notes of those who did it. */
const NOTES: Partial<Record<RecordedEvent['type'], readonly string[]>> = { 'user.suspended': ['reason'] };

/** Of whoever acted. */
const WHEREABOUTS = ['ip', 'user_agent'];

/**
 * An event as its reader may see it. Of what somebody else did to them people are told who it was, and not where from:
 * an address is personal data of that other person. Where nobody was signed in (`anonymous`) they are: it is how one
 * recognises a stranger at the own door.
 */
export function auditEventItem(event: RecordedEvent, { userId, seesAll }: EventReader): AuditEventItem {
  const isOwn = seesAll || event.actor === `user:${userId}`;
  const isAnothers = !isOwn && event.actor.startsWith('user:');
  return {
    event_id: event.eventId,
    event_type: event.type,
    timestamp: event.timestamp.toISOString(),
    subject: event.subject,
    actor: event.actor,
    resource: event.resource,
    data: without(event.data, isOwn ? [] : NOTES[event.type]),
    metadata: without(event.metadata, isAnothers ? WHEREABOUTS : []),
    priority: event.priority,
  };
}

function without(members: Record<string, unknown>, names: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}
