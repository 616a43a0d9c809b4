import { LinkedEvent } from '../recorded-event';

/** What a target knows of those who wrote to it. */
export interface Held {
  /** Nobody has ever written to it, or it has lost everything. */
  isEmpty: boolean;
  /** Of the last event; null where the target cannot lose one, or an older release wrote it. */
  position: number | null;
}

/** Where the publisher of one term appends events for subscribers: EVENT_RELAY says which there is. */
export interface RelayTarget {
  /** Grows with every connection: after each one the target has to be asked what it holds, and claimed. */
  readonly connections: number;

  /** What the target has; it may have lost events that were on it already. What is appended next follows that, or fails. */
  held(): Promise<Held>;

  /** Shuts out the publisher before; to be called on each connection before events are appended. @throws Superseded */
  claim(): Promise<void>;

  /**
   * Appends the events, those of one subject in this order, all or none. An error leaves open whether they arrived.
   * @throws Superseded when another process has become the publisher.
   */
  append(events: readonly LinkedEvent[]): Promise<void>;

  close(): void;
}
