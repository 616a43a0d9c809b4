import { withDeadline } from '../deadline';
import { EventType } from './event-types';
import { RecordedEvent } from './recorded-event';

/** Longer than any of the commands an effect is made of, shorter than the relay's hold on its lease. */
const DEADLINE_MS = 2_000;

/** What must happen because an event was committed. May run more than once for one event, so it has to be idempotent. */
export type Effect<T extends EventType = EventType> = (event: RecordedEvent<T>) => Promise<void>;

/** Which effects an event has. */
export class Effects {
  private readonly effects = new Map<EventType, Effect[]>();

  on<T extends EventType>(type: T, effect: Effect<T>): void {
    this.effects.set(type, [...(this.effects.get(type) ?? []), effect as Effect]);
  }

  /** The types of events that have any. */
  types(): EventType[] {
    return [...this.effects.keys()];
  }

  has(event: RecordedEvent): boolean {
    return this.effects.has(event.type);
  }

  async apply(event: RecordedEvent): Promise<void> {
    for (const effect of this.effects.get(event.type) ?? []) {
      await withDeadline(effect(event), DEADLINE_MS, `an effect of ${event.type}`);
    }
  }
}
