/** What lies under the master key, and those who need it all the time. */
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalKms } from '../../src/infra/kms/local-kms';
import { versionSql } from '../../src/infra/kms/wrapped-secret';
import { GuardedPerson } from './guarded-person';
import { newHandOffs } from './hand-offs';
import type { Watch } from './watch';
import type { World } from './world';

const GUARDED = 4;

interface Row {
  id: string;
  secret: Buffer;
}

export class Secrets {
  /** How often something was read. */
  reads = 0;
  private isOver = false;
  private running: Promise<void>[] = [];

  private constructor(
    private readonly watch: Watch,
    private readonly kms: LocalKms,
    private readonly rows: Row[],
  ) {}

  /** @param count of rows beside those of people who take part. */
  static async prepare(watch: Watch, count: number): Promise<Secrets> {
    const { world } = watch;
    const kms = await LocalKms.fromFile(join(world.folder, 'keys', 'master.key'));
    const rows = Array.from({ length: count }, () => ({ id: randomUUID(), secret: randomBytes(32) }));
    rows.sort((a, b) => (a.id < b.id ? -1 : 1));
    const ids = rows.map(({ id }) => id);
    const wrapped = await Promise.all(rows.map(({ id, secret }) => kms.wrap(secret, `totp:${id}`)));
    await world.db.query(
      `INSERT INTO users (id, kind, name, timezone, locale, status, created_at, updated_at)
       SELECT id, 'service', 'Of the drill', 'UTC', 'en-US', 'active', now(), now() FROM unnest($1::uuid[]) AS id`,
      [ids],
    );
    await world.db.query(
      `INSERT INTO totp_factors (user_id, wrapped_secret, last_step, enabled_at)
       SELECT id, secret, 1, now() FROM unnest($1::uuid[], $2::bytea[]) AS t (id, secret)`,
      [ids, wrapped],
    );
    const secrets = new Secrets(watch, kms, rows);
    await secrets.begin();
    return secrets;
  }

  /** So many of its rows are under this version. */
  async under(version: string): Promise<number> {
    const { rows } = await this.watch.world.db.query<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM totp_factors WHERE user_id = ANY($1) AND ${versionSql('wrapped_secret')} = $2`,
      [this.rows.map(({ id }) => id), version],
    );
    return rows[0]!.rows;
  }

  /** @throws Error where it takes longer than half a minute. */
  async untilUnder(version: string, count: number): Promise<void> {
    for (const deadline = Date.now() + 30_000; (await this.under(version)) < count; await sleep(10))
      if (Date.now() > deadline) throw new Error(`no ${count} rows are under version ${version}`);
  }

  /** Whoever re-wraps gets as far as this row, and waits there. @returns what lets it go on. */
  async stopAt(index: number): Promise<() => Promise<void>> {
    const client = await this.watch.world.db.connect();
    await client.query('BEGIN');
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    // As many as are worked on at once.
    await client.query('SELECT FROM totp_factors WHERE user_id = ANY($1) FOR UPDATE', [
      this.rows.slice(index, index + 4).map(({ id }) => id),
    ]);
    return async () => {
      await client.query('ROLLBACK');
      client.release();
    };
  }

  /** Ends the reading, and takes the rows away. */
  async end(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
    for (const row of this.rows) await this.read(row);
    const { db } = this.watch.world;
    const ids = this.rows.map(({ id }) => id);
    await db.query('DELETE FROM totp_factors WHERE user_id = ANY($1)', [ids]);
    await db.query('DELETE FROM users WHERE id = ANY($1)', [ids]);
  }

  private async begin(): Promise<void> {
    const { watch } = this;
    const guarded: GuardedPerson[] = [];
    for (let i = 0; i < GUARDED; i++) guarded.push(await GuardedPerson.enrol(watch));
    const handOff = await newHandOffs(watch);
    const some = (): Row => this.rows[Math.floor(Math.random() * this.rows.length)]!;
    let turn = 0;
    const next = () => watch.witness.instances[turn++ % 2]!;
    this.running = [
      this.again(20, () => this.read(some())),
      this.again(60, () => handOff(next())),
      // Each once: a code is good for one sign-in.
      this.again(400, async () => {
        await guarded.pop()?.signIn(next());
      }),
    ];
  }

  private async again(pauseMs: number, work: () => Promise<void>): Promise<void> {
    for (; !this.isOver; await sleep(pauseMs)) {
      await work().catch((error: Error) => this.watch.broken('a secret could not be read', error.message));
      this.reads++;
    }
  }

  private async read({ id, secret }: Row): Promise<void> {
    const { rows } = await this.watch.world.db.query<{ wrapped: Buffer }>(
      'SELECT wrapped_secret AS wrapped FROM totp_factors WHERE user_id = $1',
      [id],
    );
    const found = await this.kms.unwrap(rows[0]!.wrapped, `totp:${id}`);
    if (!found.equals(secret)) throw new Error('it is another');
  }
}

/** The version that wraps now. */
export async function masterKeyVersion({ folder }: World): Promise<number> {
  return Number(await (await LocalKms.fromFile(join(folder, 'keys', 'master.key'))).currentVersion());
}
