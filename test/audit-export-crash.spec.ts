import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import request from 'supertest';
import { eventually, startService, TestService } from './support/app';
import { addEvents, eventsOfCsv, exportsOf, slowParts } from './support/audit-exports';
import { newSignedIn, SignedIn } from './support/people';
import { ServicePlace, ServiceProgram } from './support/service-process';

/** The whole program, killed while it writes; another instance on the same stores. */
describe('a service that is killed while it writes an export', () => {
  let service: TestService;
  let place: ServicePlace;
  let program: ServiceProgram;
  let person: SignedIn;
  beforeAll(async () => {
    service = await startService();
    person = await newSignedIn(service);
    await addEvents(service, person.userId, 6_000);
    place = await ServicePlace.make();
    mkdirSync(dirname(place.keyPath), { recursive: true });
    copyFileSync(service.config.LOCAL_KMS_KEY_PATH, place.keyPath);
    const { DATABASE_URL, REDIS_URL } = service.config;
    program = await place.service({ DATABASE_URL, REDIS_URL, PUBLIC_URL: 'http://id.test' }).ready();
  }, 60_000);
  afterAll(async () => {
    await place.remove();
    await service.stop();
  }, 30_000);

  it('leaves it to another, which goes on where it stopped', async () => {
    const parts = async (): Promise<number> =>
      (await service.db.query<{ parts: number }[]>(`SELECT parts FROM audit_exports`))[0]?.parts ?? 0;
    await slowParts(service, 0.3);
    const { body: made } = await request(`http://127.0.0.1:${place.port}`)
      .post('/v1/audit/export')
      .set('Authorization', `Bearer ${person.accessToken}`)
      .send({ format: 'csv' })
      .expect(201);
    expect(made).toMatchObject({ status: 'preparing', truncated: false });
    await eventually(async () => (await parts()) >= 3, 'the third part');
    await program.end('SIGKILL');
    await slowParts(service, null);
    const before = await parts();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await parts()).toBe(before);
    expect((await exportsOf(service, person).get(made.export_id)).status).toBe(202);

    // Its lease.
    service.advance(10_001);
    const file = await exportsOf(service, person).file(made.export_id);
    const events = eventsOfCsv(file.text);
    expect(events).toHaveLength(made.total_events);
    expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(made.total_events);
    const times = events.map(({ timestamp }) => timestamp);
    expect(times).toEqual([...times].sort().reverse());
  }, 60_000);
});
