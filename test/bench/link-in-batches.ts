import { Client } from 'pg';
import {
  CANONICAL_COLUMNS,
  CanonicalEvent,
  CHAIN_START,
  eventHash,
  linkHash,
} from '../../src/infra/events/chain-hash';

const BATCH = 5_000;

/** Links all events, oldest first, on the day of each: what the relay would have made of them over time. */
export async function linkInBatches(client: Client, count: number): Promise<void> {
  let hash: Buffer = CHAIN_START;
  let position = 0;
  await client.query('BEGIN');
  await client.query(
    `DECLARE unlinked CURSOR FOR SELECT ${CANONICAL_COLUMNS} FROM events e
     WHERE event_id NOT IN (SELECT event_id FROM event_outbox) ORDER BY e."timestamp", e.event_id`,
  );
  for (;;) {
    const { rows } = await client.query<CanonicalEvent>(`FETCH ${BATCH} FROM unlinked`);
    if (rows.length === 0) break;
    const first = position;
    const links = rows.map((event) => {
      const own = eventHash(event);
      hash = linkHash(hash, ++position, own);
      return { event, own, hash };
    });
    await client.query(
      `INSERT INTO event_chain (position, day, event_id, "timestamp", event_hash, hash)
       SELECT $1 + l.number, (l."timestamp" AT TIME ZONE 'UTC')::date, l.event_id, l."timestamp", l.event_hash, l.hash
       FROM unnest($2::uuid[], $3::timestamptz[], $4::bytea[], $5::bytea[])
         WITH ORDINALITY AS l (event_id, "timestamp", event_hash, hash, number)`,
      [
        first,
        links.map(({ event }) => event.event_id),
        links.map(({ event }) => event.timestamp),
        links.map(({ own }) => own),
        links.map((link) => link.hash),
      ],
    );
    if (position % 100_000 === 0) process.stderr.write(`linked ${position} of ${count} events\n`);
  }
  await client.query(
    `UPDATE event_relay SET chain_position = $1, chain_hash = $2, published_position = $1,
       chain_day = (SELECT max(day) FROM event_chain)`,
    [position, hash],
  );
  await client.query('COMMIT');
}
