import { DataSource } from 'typeorm';
import {
  CANONICAL_COLUMNS,
  CanonicalEvent,
  CHAIN_START,
  eventHash,
  linkHash,
} from '../../src/infra/events/chain-hash';
import { EventWorld } from './event-world';

type Link = CanonicalEvent & { position: string; day: string; event_hash: Buffer; hash: Buffer };

/**
 * Expects a link for every event, in one chain without a gap, made of what the events say.
 * @returns the hash at each position, in hexadecimal.
 */
export async function expectWholeChain(db: DataSource): Promise<Map<string, { id: string; hash: string }>> {
  const links = await db.query<Link[]>(
    `SELECT c.position, c.day::text AS day, c.event_hash, c.hash, ${CANONICAL_COLUMNS}
     FROM event_chain c LEFT JOIN events e ON e.event_id = c.event_id AND e."timestamp" = c."timestamp"
     ORDER BY c.position`,
  );
  let head: Buffer = CHAIN_START;
  const wrong: unknown[] = [];
  for (const [index, link] of links.entries()) {
    head = linkHash(head, index + 1, eventHash(link));
    if (Number(link.position) !== index + 1 || !link.hash.equals(head)) wrong.push(link);
    if (index > 0 && link.day < links[index - 1]!.day) wrong.push(link);
  }
  expect(wrong).toEqual([]);
  expect(new Set(links.map(({ event_id }) => event_id)).size).toBe(links.length);
  const [{ events, ...relay }] = await db.query(
    `SELECT (SELECT count(*)::int FROM events) AS events, chain_position::int, chain_hash FROM event_relay`,
  );
  expect(links).toHaveLength(events);
  expect(relay).toEqual({ chain_position: links.length, chain_hash: head });
  return new Map(
    links.map(({ position, event_id, hash }) => [position, { id: event_id, hash: hash.toString('hex') }]),
  );
}

/** Expects the stream to hold every event of the chain, each as the chain has it, first in its order. */
export async function expectStreamOfChain(world: EventWorld): Promise<void> {
  const chain = await expectWholeChain(world.db);
  const streamed = await world.streamed();
  const places = streamed.map(({ chain_position, event_id, chain_hash }) => [
    chain_position,
    event_id,
    chain_hash,
  ]);
  const wrong = places.filter(([position, id, hash]) => {
    const link = chain.get(position!);
    return link?.id !== id || link?.hash !== hash;
  });
  expect(wrong).toEqual([]);
  const firsts = [...new Set(places.map(([position]) => Number(position)))];
  expect(firsts).toEqual(Array.from({ length: chain.size }, (_, i) => i + 1));
}
