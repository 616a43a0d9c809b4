import { Redis } from 'ioredis';
import { Client } from 'pg';

/** Every row of every table as text, bytes once as hexadecimal and once as what is printable of them; by table. */
export async function dumpDatabase(db: Client): Promise<Map<string, string>> {
  const { rows: tables } = await db.query<{ name: string; bytes: string[] }>(
    `SELECT table_.oid::regclass::text AS name,
            ARRAY(SELECT quote_ident(attname) FROM pg_attribute
                  WHERE attrelid = table_.oid AND atttypid = 'bytea'::regtype AND attnum > 0 AND NOT attisdropped) AS bytes
     FROM pg_class table_
     WHERE relkind IN ('r', 'm') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       AND relnamespace::regnamespace::text NOT LIKE 'pg_toast%'`,
  );
  const dump = new Map<string, string>();
  for (const { name, bytes } of tables) {
    const columns = ['t::text', ...bytes.map((column) => `encode(${column}, 'escape')`)];
    const { rows } = await db.query<{ text: string }>(
      `SELECT concat_ws(' ', ${columns.join(', ')}) AS text FROM ${name} t`,
    );
    dump.set(name, rows.map(({ text }) => text).join('\n'));
  }
  return dump;
}

const READ: Record<string, (key: string) => [command: string, args: (string | number)[]]> = {
  string: (key) => ['GET', [key]],
  hash: (key) => ['HGETALL', [key]],
  list: (key) => ['LRANGE', [key, 0, -1]],
  set: (key) => ['SMEMBERS', [key]],
  zset: (key) => ['ZRANGE', [key, 0, -1]],
  stream: (key) => ['XRANGE', [key, '-', '+']],
};

/** Every key of a Redis database with all it holds, by key. */
export async function dumpRedis(redis: Redis): Promise<Map<string, string>> {
  const dump = new Map<string, string>();
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    if (type === 'none') continue;
    const read = READ[type];
    if (!read) throw new Error(`a ${type} in Redis is not looked at`);
    const [command, args] = read(key);
    dump.set(key, `${key}\n${flat(await redis.callBuffer(command, ...args))}`);
  }
  return dump;
}

function flat(value: unknown): string {
  if (Array.isArray(value)) return value.map(flat).join('\n');
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}
