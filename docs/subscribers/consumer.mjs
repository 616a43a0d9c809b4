// Reads the events of User Service from its Redis Stream; each has its effect exactly once, whatever is killed when.
// Needs `npm install ioredis pg`, Redis 6.2 or later, and a PostgreSQL of your own.
//
//   REDIS_URL=redis://… DATABASE_URL=postgres://… GROUP=billing CONSUMER=billing-1 node consumer.mjs
//
// Run as many as you like in a GROUP, each under a CONSUMER name of its own that it keeps when it starts again.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';

const STREAM = 'user_service:events';
const { REDIS_URL, DATABASE_URL, GROUP = 'example', CONSUMER = 'example-1' } = process.env;
// An entry that nobody has finished for so long was abandoned: its consumer is dead, or its effect failed.
const ABANDONED_MS = Number(process.env.ABANDONED_MS ?? 60_000);
// An entry that was delivered so often and is still not finished will not be: it is set aside, for somebody to look at.
const MAX_DELIVERIES = Number(process.env.MAX_DELIVERIES ?? 10);

const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: 1, commandTimeout: 5_000 });
const deadlines = { connectionTimeoutMillis: 2_000, query_timeout: 5_000 };
const database = new pg.Pool({ connectionString: DATABASE_URL, max: 2, ...deadlines });
// Whoever uses a connection is told; an unheard 'error' would end the process.
for (const emitter of [redis, database]) emitter.on('error', () => undefined);
database.on('connect', (connection) => connection.on('error', () => undefined));

/** What this consumer is for: here, how much happened to each user. It runs inside the transaction that it is given. */
async function effect(tx, event) {
  // Ignore types, fields and members that you don't know: more may come at any time. `event.data` is there for you.
  // Consumers of a group work side by side: what must not go back is guarded by the event's place in the chain.
  await tx.query(
    `INSERT INTO activity VALUES ($1, 1, $2) ON CONFLICT (subject) DO UPDATE
     SET events = activity.events + 1, last_position = greatest(activity.last_position, excluded.last_position)`,
    [event.subject, event.chain_position],
  );
}

async function prepare() {
  await database.query(`
    -- What had its effect. Position and hash make you a witness of the chain.
    CREATE TABLE IF NOT EXISTS handled_events (event_id uuid PRIMARY KEY, chain_position bigint, chain_hash text);
    CREATE TABLE IF NOT EXISTS set_aside_events (entry_id text PRIMARY KEY, fields json, reason text);
    CREATE TABLE IF NOT EXISTS activity (subject text PRIMARY KEY, events bigint, last_position bigint)`);
  await redis.xgroup('CREATE', STREAM, GROUP, '0', 'MKSTREAM').catch((error) => {
    if (!error.message.startsWith('BUSYGROUP')) throw error;
  });
}

/** The effect and the note that it was had commit together: what is delivered twice has it once. */
async function handle(fields) {
  const event = { ...fields, data: JSON.parse(fields.data), metadata: JSON.parse(fields.metadata) };
  if (event.version !== '1') throw new Error(`this consumer does not know version ${event.version}`);
  const tx = await database.connect();
  try {
    await tx.query('BEGIN');
    const note = `INSERT INTO handled_events VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`;
    const { rowCount } = await tx.query(note, [event.event_id, event.chain_position, event.chain_hash]);
    if (rowCount === 1) await effect(tx, event);
    await tx.query('COMMIT');
    tx.release();
  } catch (error) {
    tx.release(error); // Closes the connection, which ends the transaction.
    throw error;
  }
}

/** Handles entries and acknowledges each after its commit. One that fails stays: it is abandoned, and comes again. */
async function work(entries, isAgain) {
  for (const [id, values] of entries) {
    if (stopping) return;
    const [pending] = isAgain ? await redis.xpending(STREAM, GROUP, id, id, 1) : [];
    const deliveries = pending?.[3] ?? 1;
    const names = values?.filter((_, i) => i % 2 === 0);
    const fields = names && Object.fromEntries(names.map((name, i) => [name, values[2 * i + 1]]));
    try {
      if (!fields) throw new Error('trimmed too early: ask for an export of the log');
      if (deliveries > MAX_DELIVERIES) throw new Error('whoever handles it ends');
      await handle(fields);
    } catch (error) {
      await database.query('SELECT 1'); // Throws while PostgreSQL is away: that is not the entry's fault.
      console.error(`entry ${id}, delivery ${deliveries}: ${error.message}`);
      if (fields && deliveries < MAX_DELIVERIES) continue;
      const setAside = `INSERT INTO set_aside_events VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`;
      await database.query(setAside, [id, fields, error.message]);
    }
    await redis.xack(STREAM, GROUP, id);
  }
}

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (stopping = true));

async function read(from, ...block) {
  const options = ['COUNT', 50, ...block, 'STREAMS', STREAM, from];
  return (await redis.xreadgroup('GROUP', GROUP, CONSUMER, ...options))?.[0][1] ?? [];
}

let isFresh = true;
let place = '0'; // Among what is pending, where the search for what was abandoned goes on.
while (!stopping) {
  try {
    if (isFresh) await prepare();
    // What this consumer had in hand when it ended; then what others left behind; then what is new.
    for (let from = '0'; isFresh && !stopping;) {
      const unfinished = await read(from);
      await work(unfinished, true);
      from = unfinished.at(-1)?.[0];
      isFresh = from !== undefined;
    }
    const claim = [STREAM, GROUP, CONSUMER, ABANDONED_MS, place, 'COUNT', 50];
    const [next, abandoned, trimmed = []] = await redis.xautoclaim(...claim);
    place = next;
    // Redis 7 takes what was trimmed off the list and names it this once; before, it came without fields.
    await work([...trimmed.map((id) => [id, null]), ...abandoned], true);
    if (!stopping) await work(await read('>', 'BLOCK', 1_000), false);
  } catch (error) {
    // Redis or PostgreSQL is away. Nothing is read before both are back: deliveries are counted.
    console.error(`trying again: ${error.message}`);
    isFresh = true;
    await sleep(500);
  }
}
redis.disconnect();
await database.end();
