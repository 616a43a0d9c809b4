import { setTimeout as sleep } from 'node:timers/promises';
import { EventWorld, eventually, leads } from './support/event-world';
import { OwnServers, startOwnServers } from './support/servers';
import { expectWholeChain } from './support/whole-chain';

describe('the relay, while servers fail', () => {
  let servers: OwnServers;
  let world: EventWorld;

  beforeAll(async () => {
    servers = await startOwnServers();
    world = await EventWorld.create(servers.databaseUrl, servers.redisUrl);
  }, 60_000);
  afterAll(async () => {
    await world.close();
    await servers.stop();
  });
  beforeEach(() => world.forget());

  it('publishes everything, in order, after Redis was away', async () => {
    const relay = world.startRelay();
    await eventually(() => leads(relay));
    servers.freezeRedis();
    for (let i = 0; i < 50; i++) await world.record(world.numbered('user:1', i));
    await sleep(4_000);
    servers.thawRedis();
    await world.published();
    const numbers = (await world.streamed()).map((event) => Number(JSON.parse(event.data!).fields[0]));
    expect([...new Set(numbers)]).toEqual(Array.from({ length: 50 }, (_, i) => i));
    // Told once, however long it took.
    expect(relay.states.filter((state) => state.startsWith('events wait'))).toHaveLength(1);
    await eventually(() => leads(relay));
    await world.kill(relay, 'SIGKILL');
  });

  it('publishes everything after Redis was killed and started again', async () => {
    const relay = world.startRelay();
    await eventually(() => leads(relay));
    await servers.killRedis();
    for (let i = 0; i < 20; i++) await world.record(world.numbered('user:2', i));
    await servers.restartRedis();
    await world.published();
    expect(await world.streamed()).toHaveLength(20);
    await world.kill(relay, 'SIGKILL');
  });

  it('publishes no part of a batch while Redis is full, and all of it, once, when there is room', async () => {
    const relay = world.startRelay();
    await eventually(() => leads(relay));
    await world.redis.config('SET', 'maxmemory', '1mb');
    for (let i = 0; i < 20; i++) await world.record(world.numbered('user:3', i));
    await eventually(() => relay.states.some((state) => state.includes('OOM')));
    expect(await world.streamed()).toEqual([]);
    await world.redis.config('SET', 'maxmemory', '0');
    await world.published();
    expect(await world.streamed()).toHaveLength(20);
    await world.kill(relay, 'SIGKILL');
  });

  it('goes on with the links while Redis is away, and publishes them afterwards', async () => {
    const relay = world.startRelay();
    await eventually(() => leads(relay));
    for (const [away, back] of [
      [() => servers.freezeRedis(), () => servers.thawRedis()],
      [() => servers.killRedis(), () => servers.restartRedis()],
    ] as const) {
      await away();
      for (let i = 0; i < 100; i++) await world.record(world.numbered('user:4', i));
      await world.linked(1_500);
      await expectWholeChain(world.db);
      await back();
      await world.published();
    }
    await world.kill(relay, 'SIGKILL');
  });

  it('loses nothing and forks nothing when PostgreSQL is killed in the middle', async () => {
    const relays = [world.startRelay(), world.startRelay()];
    await eventually(() => relays.some(leads));
    let writing = true;
    const committed: string[] = [];
    const write = async (_: unknown, writer: number): Promise<void> => {
      for (let i = 0; writing; i++) {
        const mark = `${writer}-${i}`;
        const event = { type: 'user.updated' as const, subject: `user:${writer}`, data: { fields: [mark] } };
        await world.record(event).then(
          () => committed.push(mark),
          () => sleep(50),
        );
      }
    };
    const written = Promise.all(Array.from({ length: 8 }, write));
    for (let i = 0; i < 2; i++) {
      await sleep(700);
      await servers.killPostgres();
      await servers.restartPostgres();
    }
    await sleep(500);
    writing = false;
    await written;
    await world.published(20_000);
    const chain = await expectWholeChain(world.db);
    const streamed = await world.streamed();
    const marks = new Set(streamed.map(({ data }) => JSON.parse(data!).fields[0]));
    expect(committed.filter((mark) => !marks.has(mark))).toEqual([]);
    expect(
      streamed.filter(({ chain_position, chain_hash }) => chain.get(chain_position!)?.hash !== chain_hash),
    ).toEqual([]);
    for (const relay of relays) await world.kill(relay, 'SIGKILL');
  }, 60_000);

  it('publishes what was committed when PostgreSQL stops and comes back', async () => {
    const relay = world.startRelay();
    await eventually(() => leads(relay));
    await world.record(world.numbered('user:3', 1));
    servers.freezePostgres();
    await eventually(() => relay.states.some((state) => state.startsWith('waiting for PostgreSQL')));
    servers.thawPostgres();
    await eventually(() =>
      world.record(world.numbered('user:3', 2)).then(
        () => true,
        () => false,
      ),
    );
    await world.published();
    const numbers = (await world.streamed()).map((event) => Number(JSON.parse(event.data!).fields[0]));
    expect([...new Set(numbers)]).toEqual([1, 2]);
    await eventually(() => leads(relay));
  });
});
