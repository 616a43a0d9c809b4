import { EventData, EventPriority, EventType } from './event-types';

/** A row of `events`. */
export interface RecordedEvent<T extends EventType = EventType> {
  eventId: string;
  type: T;
  timestamp: Date;
  source: string;
  priority: EventPriority;
  subject: string;
  actor: string;
  resource: string | null;
  data: EventData[T];
  metadata: Record<string, unknown>;
}
