import { EventType } from '../../infra/events/event-types';

/** Whose events, and which of them. */
export interface EventFilter {
  userId: string;
  eventType?: EventType;
  /** Inclusive. */
  from?: Date;
  /** Exclusive. */
  to?: Date;
}

/** The place of an event in its list. */
export interface EventCursor {
  /** As PostgreSQL writes it: a `Date` would drop the microseconds. */
  timestamp: string;
  eventId: string;
}

export interface EventPart {
  /** Only what comes after it, that is, what is older. */
  after?: EventCursor;
  limit: number;
  /** How many to pass over. */
  offset?: number;
}

export interface Statement {
  sql: string;
  values: unknown[];
}

/** Columns of an index of migration 0012 behind whose events they are, and its order. */
interface Listing {
  columns: string[];
  order: string[];
}

const OF_ALL: Listing = {
  columns: ['"timestamp"', 'event_id'],
  order: ['"timestamp" DESC', 'event_id DESC'],
};
/**
 * PostgreSQL might take the other index for one type, and throw away what does not fit: all there is, where the type is
 * rare. So this one is asked for by its order.
 */
const OF_TYPE: Listing = {
  columns: ['event_type', ...OF_ALL.columns],
  order: ['event_type', ...OF_ALL.order],
};

/**
 * One page of a user's events. The events themselves, and what is kept apart of them, are looked up for the rows that are
 * shown.
 */
export function pageOfEvents(filter: EventFilter, part: EventPart, columns: string): Statement {
  const { sql, values, order } = listedEvents(filter, part);
  return {
    sql: `
      SELECT ${columns}
      FROM (${sql}) AS shown
      JOIN events e ON e.event_id = shown.event_id AND e."timestamp" = shown."timestamp"
      ORDER BY ${order.map((column) => `shown.${column}`).join(', ')}`,
    values,
  };
}

/**
 * Which events are on a page: `event_id` and `timestamp`, from the indexes alone. They hold what happened to an account,
 * and what it did to others, in the order of the list, so that both are read until the page is full and no further.
 */
export function listedEvents(
  filter: EventFilter,
  { after, limit, offset = 0 }: EventPart,
): Statement & { order: readonly string[] } {
  const { conditions, values, place, listing } = conditionsOf(filter);
  if (after) {
    const [timestamp, id] = [`${place(after.timestamp)}::timestamptz`, `${place(after.eventId)}::uuid`];
    // The first for the choice of partitions, which does not understand the second.
    conditions.push(`"timestamp" <= ${timestamp}`, `("timestamp", event_id) < (${timestamp}, ${id})`);
  }
  const [shown, passed] = [`${place(limit)}::int`, `${place(offset)}::int`];
  const order = listing.order.join(', ');
  const branches = branchesOf(conditions, listing, `ORDER BY ${order} LIMIT ${shown} + ${passed}`);
  return {
    sql: `SELECT * FROM (${branches}) AS both_sides ORDER BY ${order} LIMIT ${shown} OFFSET ${passed}`,
    values,
    order: listing.order,
  };
}

/** How many there are, from the indexes alone. @param most at which counting ends. */
export function countedEvents(filter: EventFilter, most: number): Statement {
  const { conditions, values, place, listing } = conditionsOf(filter);
  const limit = `LIMIT ${place(most)}::int`;
  // Any order will do where any index does.
  const end = listing === OF_ALL ? '' : `ORDER BY ${listing.order.join(', ')} ${limit}`;
  return {
    sql: `SELECT count(*)::int AS count FROM (${branchesOf(conditions, listing, end)} ${limit}) AS counted`,
    values,
  };
}

/** What happened to the user, and what the user did to others: one index each. */
function branchesOf(conditions: readonly string[], { columns }: Listing, end: string): string {
  const branch = (whose: string): string =>
    `(SELECT ${columns.join(', ')} FROM events WHERE ${[whose, ...conditions].join(' AND ')} ${end})`;
  return `${branch('subject = $1')} UNION ALL ${branch('actor = $1 AND actor <> subject')}`;
}

interface Conditions {
  conditions: string[];
  values: unknown[];
  place: (value: unknown) => string;
  listing: Listing;
}

function conditionsOf({ userId, eventType, from, to }: EventFilter): Conditions {
  const values: unknown[] = [`user:${userId}`];
  const place = (value: unknown): string => `$${values.push(value)}`;
  // Always both, so that fewer texts have to be prepared.
  const conditions = [
    `"timestamp" >= ${place(from ?? '-infinity')}::timestamptz`,
    `"timestamp" < ${place(to ?? 'infinity')}::timestamptz`,
  ];
  if (eventType === undefined) return { conditions, values, place, listing: OF_ALL };
  const type = place(eventType);
  // As a range: PostgreSQL takes a column that equals something out of the order.
  conditions.push(`event_type BETWEEN ${type} AND ${type}`);
  return { conditions, values, place, listing: OF_TYPE };
}
