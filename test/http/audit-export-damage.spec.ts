import { get as httpGet } from 'node:http';
import { randomBytes } from 'node:crypto';
import { PurgeDeleted } from '../../src/users/purge-deleted';
import { ExpiredExports } from '../../src/audit/exports/expired-exports.service';
import { ExportRows } from '../../src/audit/exports/export-rows.service';
import { newId } from '../../src/common/ids';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { Rewrap } from '../../src/infra/kms/rewrap.service';
import { versionSql } from '../../src/infra/kms/wrapped-secret';
import { eventually, startService, TestService } from '../support/app';
import { addEvents, exportsOf, MadeExport, slowParts, storedText } from '../support/audit-exports';
import { Canaries } from '../support/canaries';
import { newSignedIn, PASSWORD, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';

const HOUR = 3_600_000;

describe('a stored export', () => {
  let service: TestService;
  let person: SignedIn;
  let made: MadeExport;
  let busy: SignedIn;
  const newBusy = async (): Promise<SignedIn> => {
    const somebody = await newSignedIn(service);
    // For a file of three parts.
    await addEvents(service, somebody.userId, 1_000);
    return somebody;
  };
  beforeAll(async () => {
    service = await startService({ RATELIMIT_AUDIT_EXPORTS: '1000' });
    busy = await newBusy();
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = busy;
    made = (await mine().create({ format: 'json' }).expect(201)).body as MadeExport;
    await mine().file(made.export_id);
  });
  afterEach(() => jest.restoreAllMocks());

  const mine = (by = person) => exportsOf(service, by);
  const countParts = async (userId = person.userId): Promise<number> => {
    const [{ count }] = await service.db.query(
      `SELECT count(*)::int AS count FROM audit_export_parts p JOIN audit_exports x ON x.id = p.export_id
       WHERE x.user_id = $1`,
      [userId],
    );
    return count;
  };
  const change = (sql: string, ...values: unknown[]) => service.db.query(sql, [made.export_id, ...values]);
  const damagesOf = (exportId: string): Promise<unknown[]> =>
    service.db.query(
      `SELECT actor, priority, data FROM events WHERE event_type = 'secret.integrity_failed' AND subject = $1`,
      [`audit_exports:${exportId}`],
    );
  const TOLD = { actor: 'system', priority: 'critical', data: { kind: 'audit_export' } };

  it('shows nothing of its events to whoever reads the database', async () => {
    const { body: file } = await mine().get(made.export_id).expect(200);
    const canaries = new Canaries();
    for (const [index, event] of file.events.slice(0, 3).entries()) {
      canaries.add(`session ${index}`, String(event.data.session_id ?? event.data.method));
      canaries.add(`request ${index}`, event.metadata.request_id as string);
    }
    canaries.add('user agent', 'Mozilla/5.0 Mozilla/5.0');
    canaries.add('event type', 'user.login');
    canaries.add('member', '"event_id":');
    expect(canaries.findIn('the file', JSON.stringify(file)).length).toBeGreaterThan(5);
    expect(canaries.findIn('the database', await storedText(service))).toEqual([]);
  });

  const changes: [string, string][] = [
    [
      'a bit is changed',
      `UPDATE audit_export_parts SET content = set_byte(content, 5000, get_byte(content, 5000) # 1) WHERE export_id = $1 AND part = 2`,
    ],
    [
      'a part is cut',
      `UPDATE audit_export_parts SET content = substr(content, 1, 20) WHERE export_id = $1 AND part = 1`,
    ],
    ['a part is emptied', `UPDATE audit_export_parts SET content = '' WHERE export_id = $1 AND part = 3`],
    ['a part is gone', `DELETE FROM audit_export_parts WHERE export_id = $1 AND part = 2`],
    ['the last part is gone', `DELETE FROM audit_export_parts WHERE export_id = $1 AND part = 3`],
    [
      'the end is cut off',
      `WITH cut AS (DELETE FROM audit_export_parts WHERE export_id = $1 AND part = 3) UPDATE audit_exports SET parts = 2 WHERE id = $1`,
    ],
    [
      'all of it is cut off',
      `WITH cut AS (DELETE FROM audit_export_parts WHERE export_id = $1) UPDATE audit_exports SET parts = 0 WHERE id = $1`,
    ],
    [
      'a part is dropped and the others move up',
      `WITH cut AS (DELETE FROM audit_export_parts WHERE export_id = $1 AND part = 3), moved AS (UPDATE audit_export_parts p SET content = o.content FROM audit_export_parts o WHERE p.export_id = $1 AND p.part = 2 AND o.export_id = $1 AND o.part = 3) UPDATE audit_exports SET parts = 2 WHERE id = $1`,
    ],
    [
      'two parts change places',
      `UPDATE audit_export_parts p SET content = o.content FROM audit_export_parts o WHERE p.export_id = $1 AND o.export_id = $1 AND p.part + o.part = 3`,
    ],
    [
      'a part comes twice',
      `WITH again AS (INSERT INTO audit_export_parts SELECT export_id, 4, content FROM audit_export_parts WHERE export_id = $1 AND part = 3) UPDATE audit_exports SET parts = 4 WHERE id = $1`,
    ],
    ['it says that it is of another format', `UPDATE audit_exports SET format = 'csv' WHERE id = $1`],
    [
      'its key is another',
      `UPDATE audit_exports SET wrapped_data_key = set_byte(wrapped_data_key, 30, get_byte(wrapped_data_key, 30) # 1) WHERE id = $1`,
    ],
    ['its key is gone', `UPDATE audit_exports SET wrapped_data_key = NULL WHERE id = $1`],
  ];
  it.each(changes)('is given to nobody when %s, and everybody hears of it once', async (_what, sql) => {
    await change(sql);
    const replies = await Promise.all(Array.from({ length: 4 }, () => mine().get(made.export_id)));
    expect(replies.map(({ status, body }) => [status, body.code])).toEqual(
      Array(4).fill([409, 'export_failed']),
    );
    expect(await damagesOf(made.export_id)).toEqual([TOLD]);
    const { body } = await mine().list().expect(200);
    expect(body.items[0].status).toBe('failed');
    await mine().create({ format: 'json', event_type: 'user.registered' }).expect(201);
  });

  it('is not mistaken for another one of the same person, nor for anybody else’s', async () => {
    const thief = await newSignedIn(service);
    const { made: theirs } = await mine(thief).make({ format: 'json' });
    const { made: second } = await mine().make({ format: 'json' });
    await change(
      `UPDATE audit_exports x SET wrapped_data_key = o.wrapped_data_key FROM audit_exports o WHERE x.id = $2 AND o.id = $1`,
      second.export_id,
    );
    await expectProblem(mine().get(second.export_id), 409, 'export_failed');
    // A row of the thief's own that is the victim's in all but the owner.
    await change(`UPDATE audit_exports SET user_id = $2 WHERE id = $1`, thief.userId);
    await expectProblem(mine(thief).get(made.export_id), 409, 'export_failed');
    expect(await damagesOf(made.export_id)).toEqual([TOLD]);
    await mine(thief).get(theirs.export_id).expect(200);
  });

  it('breaks the reply off when it is damaged while it is read, rather than end it early', async () => {
    const rows = service.app.get(ExportRows);
    const part = rows.part.bind(rows);
    let reads = 0;
    // The first three are those that it is verified by.
    jest.spyOn(rows, 'part').mockImplementation(async (...which) => {
      const content = await part(...which);
      if (++reads === 5) content![1000]! ^= 1;
      return content;
    });
    const end = await new Promise<string>((resolve) => {
      const call = httpGet(
        `${service.url}/v1/audit/export/${made.export_id}`,
        { headers: { Authorization: `Bearer ${person.accessToken}` } },
        (reply) => {
          expect(reply.statusCode).toBe(200);
          let bytes = 0;
          reply.on('data', (chunk: Buffer) => (bytes += chunk.length));
          reply.on('end', () => resolve('whole'));
          reply.on('error', () => resolve(bytes < Number(reply.headers['content-length']) ? 'cut' : 'odd'));
        },
      );
      call.on('error', () => resolve('cut'));
    });
    expect(end).toBe('cut');
    await eventually(async () => (await damagesOf(made.export_id)).length === 1, 'the event');
    jest.restoreAllMocks();
    await expectProblem(mine().get(made.export_id), 409, 'export_failed');
  });

  it('lets go of a file that its reader does not want to the end', async () => {
    const rows = service.app.get(ExportRows);
    const part = jest.spyOn(rows, 'part');
    await new Promise<void>((resolve) => {
      const headers = { Authorization: `Bearer ${person.accessToken}` };
      const call = httpGet(`${service.url}/v1/audit/export/${made.export_id}`, { headers }, (reply) => {
        reply.once('data', () => call.destroy());
        reply.on('error', () => resolve());
      });
      call.on('error', () => resolve());
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(part.mock.calls.length).toBeLessThanOrEqual(6);
    await mine().get(made.export_id).expect(200);
    expect(await damagesOf(made.export_id)).toEqual([]);
  });

  it('is readable under every version of the master key, and re-wrapped with the rest', async () => {
    const kms = service.app.get<Kms>(KMS);
    const version = await kms.rotate();
    const [before] = await change(
      `SELECT wrapped_data_key AS key, ${versionSql('wrapped_data_key')} AS version FROM audit_exports WHERE id = $1`,
    );
    expect(before.version).not.toBe(version);
    await mine().get(made.export_id).expect(200);
    const result = await service.app.get(Rewrap).run();
    expect(result.rewrapped.get('audit_exports')).toBeGreaterThan(0);
    const [after] = await change(
      `SELECT wrapped_data_key AS key, ${versionSql('wrapped_data_key')} AS version FROM audit_exports WHERE id = $1`,
    );
    expect([after.version, after.key.equals(before.key)]).toEqual([version, false]);
    await mine().get(made.export_id).expect(200);
    await change(`UPDATE audit_exports SET wrapped_data_key = $2 WHERE id = $1`, randomBytes(80));
    await kms.rotate();
    await service.app.get(Rewrap).run();
    expect(await damagesOf(made.export_id)).toEqual([TOLD]);
  });

  it('goes with the account at once, also one that is being written', async () => {
    person = await newBusy();
    made = (await mine().make({ format: 'json' })).made;
    expect(await countParts()).toBe(3);
    await slowParts(service, 0.4);
    await mine().create({ format: 'csv' }).expect(201);
    const [{ key }] = await change(`SELECT wrapped_data_key AS key FROM audit_exports WHERE id = $1`);
    expect(key).toBeInstanceOf(Buffer);
    await service
      .client()
      .delete('/v1/users/me', person.accessToken)
      .send({ password: PASSWORD })
      .expect(200);
    await slowParts(service, null);
    const rows = await service.db.query(
      `SELECT wrapped_data_key, expires_at <= now() AS is_over FROM audit_exports WHERE user_id = $1`,
      [person.userId],
    );
    expect(rows).toEqual(Array(2).fill({ wrapped_data_key: null, is_over: true }));
    // Nor does an instance whose clock is behind find it, and take it for damaged.
    await service.db.query(
      `UPDATE audit_exports SET writer_id = NULL, writer_until = NULL WHERE user_id = $1`,
      [person.userId],
    );
    service.advance(-60_000);
    try {
      expect(await service.app.get(ExportRows).find(person.userId, made.export_id)).toBeNull();
      expect(await service.app.get(ExportRows).claim(newId())).toBeNull();
    } finally {
      service.advance(60_000);
    }
    await service.app.get(ExpiredExports).run();
    expect(await countParts()).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await countParts()).toBe(0);
    expect(await damagesOf(made.export_id)).toEqual([]);
  });

  it('is deleted after 24 hours, by one instance or by several at once', async () => {
    const other = await service.another();
    try {
      person = await newSignedIn(service);
      for (let i = 0; i < 12; i++) await mine().create({ format: 'csv' }).expect(201);
      await service.db.query(
        `UPDATE audit_exports SET expires_at = now() - interval '1 second' WHERE user_id = $1`,
        [person.userId],
      );
      const kept = (await mine(await newSignedIn(service)).make({ format: 'json' })).made;
      const deleted = await Promise.all(
        [service, other, service].map(({ app }) => app.get(ExpiredExports).run()),
      );
      expect(deleted.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(12);
      expect(await countParts()).toBe(0);
      const [{ count }] = await service.db.query(
        `SELECT count(*)::int AS count FROM audit_exports WHERE id = $1`,
        [kept.export_id],
      );
      expect(count).toBe(1);
    } finally {
      await other.stop();
    }
  });

  it('is gone with the purge of the account, were it still there', async () => {
    person = await newSignedIn(service);
    await mine().make({ format: 'json' });
    await service
      .client()
      .delete('/v1/users/me', person.accessToken)
      .send({ password: PASSWORD })
      .expect(200);
    service.advance(31 * 24 * HOUR);
    await service.app.get(PurgeDeleted).run();
    const left = await service.db.query(`SELECT FROM audit_exports WHERE user_id = $1`, [person.userId]);
    expect(left).toEqual([]);
  });
});
