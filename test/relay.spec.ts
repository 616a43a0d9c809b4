import { setTimeout as sleep } from 'node:timers/promises';
import { createTestDatabase, TestDatabase } from './support/database';
import { EventWorld, eventually, leads } from './support/event-world';
import { expectStreamOfChain } from './support/whole-chain';

describe('the relay, as a process of its own', () => {
  let stores: TestDatabase;
  let world: EventWorld;

  beforeEach(async () => {
    stores = await createTestDatabase();
    world = await EventWorld.create(stores.databaseUrl, stores.redisUrl);
    await world.redis.flushdb();
  });
  afterEach(async () => {
    await world.close();
    await stores.drop();
  });

  it('loses nothing when it is killed again and again while 2,000 events are written', async () => {
    let writing = true;
    const rolledBack = new Set<string>();
    const write = async (_: unknown, writer: number): Promise<void> => {
      for (let i = 0; i < 125; i++) {
        const fails = i % 10 === 9;
        const subject = `user:${writer % 8}`;
        const after = fails ? () => Promise.reject(new Error('rolled back')) : undefined;
        if (fails) rolledBack.add(`${writer}-${i}`);
        await world
          .record({ type: 'user.updated', subject, data: { fields: [`${writer}-${i}`] } }, { after })
          .catch((error: Error) => expect(error.message).toBe('rolled back'));
        await sleep(Math.random() * 40);
      }
    };
    const killing = (async () => {
      while (writing) {
        const relay = world.startRelay();
        await sleep(300 + Math.random() * 700);
        await world.kill(relay, 'SIGKILL');
      }
    })();
    await Promise.all(Array.from({ length: 16 }, write));
    writing = false;
    await killing;
    world.startRelay();
    await world.published();

    const streamed = await world.streamed();
    const recorded = await world.db.query(`SELECT event_id, subject, data->'fields'->>0 AS mark FROM events`);
    expect(recorded).toHaveLength(16 * 125 - rolledBack.size);
    expect(new Set(streamed.map((event) => event.event_id))).toEqual(
      new Set(recorded.map((row: { event_id: string }) => row.event_id)),
    );
    // One event, one id: what came twice says the same both times.
    expect(new Set(streamed.map((event) => JSON.stringify(event))).size).toBe(recorded.length);
    expect(streamed.filter((event) => rolledBack.has(JSON.parse(event.data!).fields[0]))).toEqual([]);
    for (let writer = 0; writer < 16; writer++) {
      const own = streamed.map((event) => JSON.parse(event.data!).fields[0].split('-').map(Number));
      const firsts = [...new Set(own.filter(([by]) => by === writer).map(([, i]) => i))];
      expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
    }
    await expectStreamOfChain(world);
  }, 60_000);

  it('leaves publishing to one, and another takes over within seconds of its death', async () => {
    const relays = [world.startRelay(), world.startRelay()];
    await eventually(() => relays.some(leads) && relays.every((relay) => relay.states.length > 0));
    expect(relays.filter(leads)).toHaveLength(1);
    const leader = relays.find(leads)!;
    const other = relays.find((relay) => relay !== leader)!;
    expect(other.states).toEqual(['another process publishes events']);

    await world.kill(leader, 'SIGKILL');
    await world.record(world.numbered('user:1', 1));
    await eventually(() => leads(other), 5_000);
    await world.published();
    expect(await world.streamed()).toHaveLength(1);
  });

  it('hands over at once when it is stopped politely', async () => {
    const leader = world.startRelay();
    await eventually(() => leads(leader));
    const other = world.startRelay();
    await eventually(() => other.states.length > 0);
    await world.kill(leader, 'SIGTERM');
    await eventually(() => leads(other), 2_000);
    expect(leader.exitCode).toBe(0);
  });

  it('publishes nothing more when it wakes up after another has taken over', async () => {
    const frozen = world.startRelay('user.logout');
    await eventually(() => leads(frozen));
    // It has read the event and stops before it publishes it.
    await world.record({
      type: 'user.logout',
      subject: 'user:1',
      data: { session_id: 's1', all_devices: false },
    });
    const other = world.startRelay();
    await eventually(() => leads(other));
    await world.record(world.numbered('user:1', 2));
    await world.published();

    frozen.kill('SIGCONT');
    await eventually(() => frozen.states.some((state) => /^waiting for PostgreSQL|is over/.test(state)));
    await sleep(500);
    expect((await world.streamed()).map((event) => event.event_type)).toEqual([
      'user.logout',
      'user.updated',
    ]);
    expect(leads(other)).toBe(true);
    await expectStreamOfChain(world);
  });

  it('cannot be made to fork the chain by one that is frozen while it links, and wakes up', async () => {
    const relays = [world.startRelay(), world.startRelay()];
    await eventually(() => relays.some(leads));
    const frozen = relays.find(leads)!;
    const other = relays.find((relay) => relay !== frozen)!;
    let writing = true;
    const write = async (_: unknown, writer: number): Promise<void> => {
      for (let i = 0; writing; i++) await world.record(world.numbered(`user:${writer}`, i));
    };
    const written = Promise.all(Array.from({ length: 4 }, write));
    await sleep(300);
    frozen.kill('SIGSTOP');
    await eventually(() => leads(other), 12_000);
    await sleep(300);
    frozen.kill('SIGCONT');
    await eventually(() => frozen.states.some((state) => /^waiting for PostgreSQL|is over/.test(state)));
    await sleep(500);
    writing = false;
    await written;
    await world.published();
    expect(leads(other)).toBe(true);
    await expectStreamOfChain(world);
  }, 40_000);
});
