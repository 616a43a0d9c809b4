import { EVENT_COLUMNS } from '../../src/infra/events/event-columns';

/** To select from: the events `e`, with what is kept apart of them in its place. */
export const WHOLE_EVENTS = `(SELECT ${EVENT_COLUMNS} FROM events e) e`;
