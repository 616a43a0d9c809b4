import { EventData, EventPriority, EventType } from './event-types';

/** A row of `events`, what is kept apart put back into its place. */
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

/** One that has its link in the hash chain. */
export interface LinkedEvent extends RecordedEvent {
  position: number;
  /** Of the linking, UTC, `YYYY-MM-DD`. */
  day: string;
  hash: Buffer;
}
