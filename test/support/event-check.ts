import { Events } from '../../src/infra/events/events';
import { eventSchemas } from '../../src/infra/events/event-schemas';
import { EventType } from '../../src/infra/events/event-types';
import { noteEvent } from './seen-events';
import { notesFolder } from './seen-replies';

/**
 * Has a service refuse to record what its schema does not know, down to the last member: subscribers read the schemas, and
 * types alone do not tell an id from any text. Notes what is recorded, for the run.
 */
export function checkEvents(events: Events): void {
  const record = events.record.bind(events);
  events.record = async (tx, caller, event) => {
    requireFit(event.type, event.data);
    await record(tx, caller, event);
    noteEvent(event.type, notesFolder());
  };
}

/** @throws Error saying how the data of an event differs from its schema. */
export function requireFit(type: EventType, data: unknown): void {
  const { error } = eventSchemas[type].data.strict().safeParse(data);
  if (error) throw new Error(`${type} was recorded with ${JSON.stringify(data)}: ${error.message}`);
}
