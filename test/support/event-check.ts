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
  // `record` goes through it too.
  const recordAll = events.recordAll.bind(events);
  events.recordAll = async (tx, caller, subject, happenings) => {
    for (const { type, data } of happenings) requireFit(type, data);
    await recordAll(tx, caller, subject, happenings);
    for (const { type } of happenings) noteEvent(type, notesFolder());
  };
}

/** @throws Error saying how the data of an event differs from its schema. */
export function requireFit(type: EventType, data: unknown): void {
  const { error } = eventSchemas[type].data.strict().safeParse(data);
  if (error) throw new Error(`${type} was recorded with ${JSON.stringify(data)}: ${error.message}`);
}
