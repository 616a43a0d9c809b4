import { DataSource } from 'typeorm';
import {
  CANONICAL_COLUMNS,
  CanonicalEvent,
  CHAIN_START,
  eventHash,
  linkHash,
} from '../../src/infra/events/chain-hash';

interface LinkRow extends CanonicalEvent {
  position: string;
  event_hash: Buffer;
  hash: Buffer;
}

/** The places in the chain at which it is not what its events make of it; from its very start. */
export async function brokenLinks(db: DataSource): Promise<number[]> {
  const rows = await db.query<LinkRow[]>(
    `SELECT c.position, c.event_hash, c.hash, ${CANONICAL_COLUMNS}
     FROM event_chain c JOIN events e ON e.event_id = c.event_id AND e."timestamp" = c."timestamp"
     ORDER BY c.position`,
  );
  expect(rows.length).toBeGreaterThan(0);
  let before: Buffer = CHAIN_START;
  return rows.flatMap((row, index) => {
    const event = eventHash(row);
    before = linkHash(before, index + 1, event);
    const holds =
      Number(row.position) === index + 1 && event.equals(row.event_hash) && before.equals(row.hash);
    return holds ? [] : [index + 1];
  });
}
