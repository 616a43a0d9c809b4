import { CANONICAL_COLUMNS, CanonicalEvent } from '../../infra/events/chain-hash';
import { Finding, FindingKind } from './finding';
import { DayRange } from './proof-range';

type Query = <Row extends object>(sql: string, values?: unknown[]) => Promise<Row[]>;

/** Of each kind so many are named and counted. */
const MOST = 10_000;
const DAY = `("timestamp" AT TIME ZONE 'UTC')::date::text AS day`;

interface Doubt {
  event_id: string;
  day: string;
  position?: string;
}

/** What is wrong in a database beside the chain: it can't be seen on the way from link to link. */
export class DatabaseDoubts {
  constructor(
    private readonly query: Query,
    private readonly range: DayRange,
  ) {}

  async all(): Promise<Finding[]> {
    const strays = await this.strays();
    return [
      ...strays.map((event) => ({
        kind: 'inserted' as const,
        position: null,
        day: event.timestamp.slice(0, 10),
        eventId: event.event_id,
        detail: 'an event without a link, that waits for none',
      })),
      ...(await this.find('inserted', 'its event is linked more than once', LINKED_TWICE, [])),
      ...(await this.find('removed', 'it waits for its link, but is not there', WAITING_BUT_GONE, [])),
      ...(await this.find(
        'inserted',
        'personal data that no event has a digest of',
        NOT_DIGESTED,
        this.bounds,
      )),
    ];
  }

  /** Events without a link that are not in the outbox. */
  async strays(): Promise<CanonicalEvent[]> {
    return this.query<CanonicalEvent>(
      `SELECT ${CANONICAL_COLUMNS} FROM events e
       WHERE ${within('e')}
         AND NOT EXISTS (SELECT FROM event_chain c WHERE c.event_id = e.event_id AND c."timestamp" = e."timestamp")
         AND NOT EXISTS (SELECT FROM event_outbox o WHERE o.event_id = e.event_id AND o."timestamp" = e."timestamp")
       ORDER BY e."timestamp", e.event_id LIMIT ${MOST}`,
      this.bounds,
    );
  }

  private async find(kind: FindingKind, detail: string, sql: string, values: unknown[]): Promise<Finding[]> {
    const rows = await this.query<Doubt>(`${sql} LIMIT ${MOST}`, values);
    return rows.map(({ event_id: eventId, day, position }) => ({
      kind,
      position: position === undefined ? null : Number(position),
      day,
      eventId,
      detail,
    }));
  }

  private get bounds(): unknown[] {
    return [this.range.from, this.range.to];
  }
}

const within = (
  table: string,
): string => `($1::date IS NULL OR ${table}."timestamp" >= $1::date::timestamp AT TIME ZONE 'UTC')
  AND ($2::date IS NULL OR ${table}."timestamp" < ($2::date + 1)::timestamp AT TIME ZONE 'UTC')`;

const LINKED_TWICE = `SELECT event_id, max(position) AS position, max(day)::text AS day
  FROM event_chain GROUP BY event_id HAVING count(*) > 1 ORDER BY 2`;

const WAITING_BUT_GONE = `SELECT o.event_id, ${DAY.replace('"timestamp"', 'o."timestamp"')} FROM event_outbox o
  WHERE NOT EXISTS (SELECT FROM events e WHERE e.event_id = o.event_id AND e."timestamp" = o."timestamp")
  ORDER BY o.place`;

const NOT_DIGESTED = `SELECT p.event_id, ${DAY.replace('"timestamp"', 'p."timestamp"')} FROM event_personal_data p
  LEFT JOIN events e ON e.event_id = p.event_id AND e."timestamp" = p."timestamp"
  WHERE ${within('p')} AND NOT coalesce(e.personal_digests ? p.part, false)
  ORDER BY p."timestamp", p.event_id`;
