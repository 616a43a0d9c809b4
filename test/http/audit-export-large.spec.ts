import { eventually, startService, TestService } from '../support/app';
import {
  addEvents,
  eventsOfCsv,
  exportsOf,
  MadeExport,
  ShownEvent,
  slowParts,
} from '../support/audit-exports';
import { newSignedIn, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';

const MOST = 10_000;
describe('an export of very many events', () => {
  let service: TestService;
  let person: SignedIn;
  let newest: ShownEvent[];
  beforeAll(async () => {
    service = await startService({ RATELIMIT_AUDIT_EXPORTS: '1000' });
    person = await newSignedIn(service);
    await addEvents(service, person.userId, MOST + 150);
    newest = (await exportsOf(service, person).shown()).slice(0, MOST);
  }, 60_000);
  afterAll(() => service.stop());
  afterEach(async () => {
    await slowParts(service, null);
  });

  const mine = (at = service) => exportsOf(at, person);
  const rowOf = async ({ export_id: id }: MadeExport): Promise<Record<string, unknown>> =>
    (
      await service.db.query<Record<string, unknown>[]>(`SELECT * FROM audit_exports WHERE id = $1`, [id])
    )[0]!;

  it.each(['json', 'csv'])('has the newest 10,000 as %s, and says that there are more', async (format) => {
    const { made, file } = await mine().make({ format, event_type: 'user.login' });
    expect(made).toMatchObject({ total_events: MOST, truncated: true });
    const events = format === 'json' ? (file.body.events as ShownEvent[]) : eventsOfCsv(file.text);
    expect(events).toHaveLength(MOST);
    const shown = newest.filter(({ event_type }) => event_type === 'user.login');
    expect(events.slice(0, shown.length)).toEqual(shown);
  });

  it('holds all of exactly 10,000, and is not called truncated', async () => {
    const other = await newSignedIn(service);
    const theirs = exportsOf(service, other);
    await addEvents(service, other.userId, MOST - (await theirs.shown('&event_type=user.login')).length);
    const { made, file } = await theirs.make({ format: 'json', event_type: 'user.login' });
    expect(made).toMatchObject({ total_events: MOST, truncated: false });
    expect(file.body.events).toHaveLength(MOST);
  });

  it('answers at once while it is written, and tells how far it is', async () => {
    await slowParts(service, 0.12);
    const begin = performance.now();
    const { body: made } = await mine().create({ format: 'json' }).expect(201);
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect(made).toMatchObject({ status: 'preparing', total_events: MOST });
    const seen: number[] = [];
    for (;;) {
      const reply = await mine().get(made.export_id);
      if (reply.status === 200) break;
      expect(reply.status).toBe(202);
      expect(reply.headers['retry-after']).toBe('2');
      expect(reply.headers['cache-control']).toBe('no-store');
      const { written_events: written, ...rest } = reply.body as { written_events: number };
      expect(rest).toEqual({ export_id: made.export_id, status: 'preparing', total_events: MOST });
      seen.push(written);
      const { body } = await mine().list().expect(200);
      expect(body.items[0].written_events).toBeGreaterThanOrEqual(written);
    }
    expect(new Set(seen).size).toBeGreaterThan(3);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect((await rowOf(made)).event_ids).toEqual([]);
  });

  it('has the events that it was made for, whatever happens while it is written', async () => {
    await slowParts(service, 0.12);
    const { body: made } = await mine().create({ format: 'json' }).expect(201);
    expect(made.status).toBe('preparing');
    await addEvents(service, person.userId, 20);
    await slowParts(service, null);
    const file = await mine().file(made.export_id);
    expect(file.body.events).toHaveLength(made.total_events);
    const own = new Set((file.body.events as ShownEvent[]).map(({ event_id }) => event_id));
    expect(own.size).toBe(made.total_events);
  });

  it('is one of two at a time, and the others follow', async () => {
    await slowParts(service, 0.05);
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => mine().create({ format: 'csv', event_type: 'user.login' })),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array(5).fill(201));
    const [{ writers }] = await service.db.query<[{ writers: number }]>(
      `SELECT count(*)::int AS writers FROM audit_exports WHERE status = 'preparing' AND writer_id IS NOT NULL`,
    );
    expect(writers).toBeLessThanOrEqual(2);
    await slowParts(service, null);
    const files = await Promise.all(replies.map(({ body }) => mine().file(body.export_id)));
    expect(new Set(files.map(({ text }) => text)).size).toBe(1);
  });

  it('is gone on with by another instance when its writer stops in the middle', async () => {
    const other = await service.another();
    await slowParts(service, 0.15);
    const { body: made } = await mine(other).create({ format: 'json' }).expect(201);
    const written = await eventually(async () => Number((await rowOf(made)).parts) >= 2, 'two parts');
    expect(written).toBe(true);
    await other.stop();
    expect((await rowOf(made)).status).toBe('preparing');
    await slowParts(service, null);
    const file = await mine().file(made.export_id);
    expect((file.body.events as ShownEvent[]).length).toBe(MOST);
    expect(new Set((file.body.events as ShownEvent[]).map(({ event_id }) => event_id)).size).toBe(MOST);
  });

  it('is written by one of two who both believe that it is theirs', async () => {
    await slowParts(service, 0.15);
    const { body: made } = await mine().create({ format: 'csv' }).expect(201);
    await service.db.query(
      `UPDATE audit_exports SET writer_until = now() - interval '1 hour' WHERE id = $1`,
      [made.export_id],
    );
    const before = (await rowOf(made)).writer_id;
    await eventually(async () => (await rowOf(made)).writer_id !== before, 'another writer');
    await slowParts(service, null);
    const file = await mine().file(made.export_id);
    const events = eventsOfCsv(file.text);
    expect(events).toHaveLength(MOST);
    expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(MOST);
  });

  it('fails for good when its events are gone, or whoever writes it dies of it', async () => {
    await slowParts(service, 0.3);
    const lost = (await mine().create({ format: 'json' }).expect(201)).body as MadeExport;
    await service.db.query(`UPDATE audit_exports SET event_ids[9990] = gen_random_uuid() WHERE id = $1`, [
      lost.export_id,
    ]);
    const deadly = (await mine().create({ format: 'csv' }).expect(201)).body as MadeExport;
    await service.db.query(
      `UPDATE audit_exports SET attempts = 5, writer_id = gen_random_uuid(), writer_until = '2020-01-01' WHERE id = $1`,
      [deadly.export_id],
    );
    await slowParts(service, null);
    for (const made of [lost, deadly]) {
      await eventually(async () => (await rowOf(made)).status === 'failed', 'the failure');
      await expectProblem(mine().get(made.export_id), 409, 'export_failed');
    }
    const { body } = await mine().list('?limit=2').expect(200);
    expect(body.items.map(({ status }: MadeExport) => status)).toEqual(['failed', 'failed']);
  });
});
