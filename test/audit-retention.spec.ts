import { Client } from 'pg';
import { DropMonths, MustStay } from '../src/audit/retention/drop-months';
import { FleetJobs } from '../src/infra/jobs/fleet-jobs';
import { CannotCheck } from '../src/audit/proof/proof-source';
import { proofText } from '../src/audit/proof/proof-text';
import { addMonths } from '../src/audit/seals/utc-day';
import { Clock } from '../src/common/clock';
import { Events } from '../src/infra/events/events';
import { eventually, startService } from './support/app';
import { AuditCopy, AuditWorld, dayFromToday, TODAY, verdict } from './support/audit-world';
import { CommandLine } from './support/command-line';

/** First days of months. */
const monthsAgo = (months: number): string => addMonths(TODAY, -months);
const daysAgo = (day: string): number => Math.round((Date.parse(day) - Date.parse(TODAY)) / 86_400_000);

describe('retention', () => {
  let world: AuditWorld;

  beforeAll(async () => {
    // Positions 1–3, 4–6, 7–9, 10–11.
    world = await AuditWorld.create({
      [daysAgo(monthsAgo(3)) + 4]: 3,
      [daysAgo(monthsAgo(2)) + 4]: 3,
      [daysAgo(monthsAgo(1)) + 4]: 3,
      0: 2,
    });
  }, 60_000);
  afterAll(() => world.remove());

  const drop = (copy: AuditCopy, before: string, dryRun = false): Promise<string[]> =>
    new DropMonths(copy.config, new Events(new Clock(), copy.config)).run(before, { dryRun });
  const name = (table: string, day: string): string => `${table}_${day.slice(0, 7).replace('-', '_')}`;

  it.each([
    [
      'a month that is not sealed',
      `DELETE FROM event_seals WHERE day = '${monthsAgo(2)}'`,
      'not every day before',
    ],
    ['where nothing is sealed', 'DELETE FROM event_seals', 'no day is sealed'],
    [
      'a month that is not published',
      'UPDATE event_relay SET published_position = 4',
      'not every event before',
    ],
    [
      'a month that webhooks were not offered',
      'UPDATE webhook_fan_out SET position = 4',
      'not every event before',
    ],
    [
      'a month of which nobody knows whether webhooks were offered it',
      'DELETE FROM webhook_fan_out',
      'not every event before',
    ],
    [
      'a month of which an event waits for its link',
      `INSERT INTO event_outbox (event_id, "timestamp") SELECT event_id, "timestamp" FROM events WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 2)`,
      'not every event before',
    ],
  ])('never drops %s', async (_, attack, message) => {
    const copy = await world.copy();
    const [fanOut] = await copy.attack<{ position: string }>('SELECT position FROM webhook_fan_out');
    await copy.attack(attack);
    await expect(drop(copy, monthsAgo(1))).rejects.toThrow(MustStay);
    await expect(drop(copy, monthsAgo(1), true)).rejects.toThrow(message);
    await copy.attack(
      `INSERT INTO webhook_fan_out (position, day) VALUES (${fanOut!.position}, '2000-01-01')
       ON CONFLICT (singleton) DO UPDATE SET position = excluded.position`,
    );
    const [rows] = await copy.attack<{ events: number }>(
      "SELECT count(*)::int AS events FROM events WHERE event_type = 'user.updated'",
    );
    expect(rows!.events).toBe(11);
  });

  it('never drops a month that is not over, nor half of one', async () => {
    const copy = await world.copy();
    await expect(drop(copy, monthsAgo(-1))).rejects.toThrow('is not over');
    await expect(drop(copy, dayFromToday(-40).replace(/..$/, '15'))).rejects.toThrow(
      'not the first day of a month',
    );
  });

  it('refuses before it counts, which may take long', async () => {
    const copy = await world.copy();
    const reader = new Client({ connectionString: copy.config.DATABASE_URL });
    await reader.connect();
    try {
      await reader.query('BEGIN');
      await reader.query(`LOCK TABLE ${name('events', monthsAgo(2))} IN ACCESS EXCLUSIVE MODE`);
      await expect(drop(copy, monthsAgo(-1))).rejects.toThrow('is not over');
    } finally {
      await reader.end();
    }
  });

  it('ends the count in PostgreSQL as well, when the instance that counts is told to stop', async () => {
    const copy = await world.copy();
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, LOCAL_KMS_KEY_PATH } = copy.config;
    const stores = { databaseUrl, redisUrl, drop: async () => undefined };
    const reader = new Client({ connectionString: databaseUrl });
    await reader.connect();
    const counting = async (): Promise<number> => {
      const rows = await copy.attack(
        `SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%:retention' AND datname = current_database()
           AND state = 'active' AND query LIKE '%count(*) FROM events%'`,
      );
      return rows.length;
    };
    try {
      await reader.query('BEGIN');
      await reader.query(`LOCK TABLE ${name('events', monthsAgo(2))} IN ACCESS EXCLUSIVE MODE`);
      const service = await startService({ LOCAL_KMS_KEY_PATH, AUDIT_RETENTION_MONTHS: '1' }, stores);
      await eventually(async () => (await counting()) === 1, 'the count').finally(() => service.stop());
      expect(await counting()).toBe(0);
    } finally {
      await reader.end();
    }
    expect((await copy.verify()).events).toBe(11);
  });

  it('tells before what would go', async () => {
    const copy = await world.copy();
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = copy.config;
    const commands = new CommandLine({ databaseUrl, redisUrl });
    try {
      const month = monthsAgo(1).slice(0, 7);
      const told = await commands.run(['audit', 'drop', '--before', month, '--dry-run']);
      expect(told.stdout.trim().split('\n').sort()).toEqual(
        [
          name('event_chain', monthsAgo(3)),
          ...[3, 2].flatMap((months) => [
            name('event_personal_data', monthsAgo(months)),
            name('events', monthsAgo(months)),
          ]),
        ]
          .map((partition) => `${partition} would go`)
          .sort(),
      );
      const [refused, nonsense] = await Promise.all([
        commands.run(['audit', 'drop', '--before', monthsAgo(-1).slice(0, 7)]),
        commands.run(['audit', 'drop', '--before', 'last']),
      ]);
      expect([refused.code, nonsense.code]).toEqual([1, 1]);
      expect(refused.stderr).toContain('is not over');
    } finally {
      commands.remove();
    }
    expect((await copy.verify()).events).toBe(11);
  });

  it('drops whole months by itself, keeps their seals, and what is left can be proved', async () => {
    const copy = await world.copy();
    const all = await copy.export();
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, LOCAL_KMS_KEY_PATH } = copy.config;
    const stores = { databaseUrl, redisUrl, drop: async () => undefined };
    const service = await startService({ LOCAL_KMS_KEY_PATH, AUDIT_RETENTION_MONTHS: '1' }, stores);
    try {
      // With the service's start; once more does nothing.
      await service.app.get(FleetJobs).run('retention');
      await service.app.get(FleetJobs).run('retention');
      // The first may still be at it: what says so has to have its link.
      const linked = `SELECT FROM event_chain c JOIN events e USING (event_id) WHERE e.event_type = 'audit.dropped'`;
      await eventually(async () => (await service.db.query(linked)).length > 0, 'the link');
    } finally {
      await service.stop();
    }
    const [state] = await copy.attack(
      `SELECT dropped_before::text, (SELECT count(*)::int FROM event_seals WHERE day < dropped_before) > 50 AS kept,
         to_regclass('${name('events', monthsAgo(2))}') AS events,
         to_regclass('${name('event_personal_data', monthsAgo(2))}') AS personal,
         to_regclass('${name('event_chain', monthsAgo(3))}') AS links,
         (SELECT count(*)::int FROM event_chain WHERE position < 7) AS links_left
       FROM audit_retention`,
    );
    expect(state).toEqual({
      dropped_before: monthsAgo(1),
      kept: true,
      events: null,
      personal: null,
      links: null,
      links_left: 3,
    });
    expect(
      await copy.attack(`SELECT actor, priority, data FROM events WHERE event_type = 'audit.dropped'`),
    ).toEqual([{ actor: 'system', priority: 'high', data: { before: monthsAgo(1), events: 6 } }]);
    const live = await copy.verify();
    expect([verdict(live), live.dropped, live.isDroppedProved]).toEqual(['as it was', 3, true]);
    // No seal covers today: whoever has the file could have put in what says so.
    const [today, left] = [await copy.export(), await copy.export({ from: monthsAgo(1) })];
    await expect(copy.verifyFile(today)).rejects.toThrow(CannotCheck);
    const file = await copy.verifyFile(left);
    expect([verdict(file), file.dropped, file.events]).toEqual(['as it was', 0, live.events]);
    // What was exported before still proves the months that are gone.
    expect(verdict(await copy.verifyFile(all))).toBe('as it was');

    await copy.attack(
      `DELETE FROM events WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 8)`,
    );
    expect(verdict(await copy.verify())).toBe('removed@8');
    await copy.attack(`DELETE FROM event_chain WHERE position = 4`);
    expect(verdict(await copy.verify())).toBe('removed@4');
  });

  it('is believed only as far as an event says so', async () => {
    const copy = await world.copy();
    await copy.attack(`SELECT drop_audit_months('${monthsAgo(1)}', false)`);
    expect(verdict(await copy.verify())).toBe('removed@1');
    expect(verdict(await copy.verifyFile(await copy.export()))).toBe('removed@1');

    const moved = await world.copy();
    await moved.attack(
      `DELETE FROM events WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 7)`,
      `UPDATE audit_retention SET dropped_before = '${monthsAgo(0)}'`,
    );
    expect(verdict(await moved.verify())).toBe('removed@7');
    expect(verdict(await moved.verifyFile(await moved.export()))).toBe('removed@7');
  });

  it('does not hide an event that was removed, and said by its link to be older than it was', async () => {
    const copy = await world.copy();
    await drop(copy, monthsAgo(1));
    const live = await copy.verify();
    // No relay runs here: what says so waits for its link.
    expect([verdict(live), live.isDroppedProved]).toEqual(['as it was', false]);
    expect(proofText(live)).toContain('not proved here');
    await copy.attack(
      `DELETE FROM events WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 11)`,
      `UPDATE event_chain SET "timestamp" = '${monthsAgo(2)}' WHERE position = 11`,
    );
    expect(verdict(await copy.verify())).toBe('removed@11');
  });

  it('is not believed of what came after the event that says so', async () => {
    const copy = await world.copy();
    await copy.attack(
      `DELETE FROM events WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 8)`,
      `WITH invented AS (
         INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
         VALUES (gen_random_uuid(), 'audit.dropped', now(), 'x', 'high', 'audit:retention', 'system',
           '{"before":"${monthsAgo(-1)}","events":1}', '{}') RETURNING event_id, "timestamp"
       ) INSERT INTO event_outbox (event_id, "timestamp") SELECT * FROM invented`,
    );
    expect(verdict(await copy.verify())).toBe('removed@8');
  });
});
