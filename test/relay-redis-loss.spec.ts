import { Logger } from '@nestjs/common';
import { systemCaller } from '../src/common/caller';
import { Clock } from '../src/common/clock';
import { STREAM_KEY } from '../src/infra/events/targets/redis-stream';
import { Events } from '../src/infra/events/events';
import { Relay } from '../src/infra/events/relay';
import { createTestDatabase, TestDatabase } from './support/database';
import { EventWorld, eventually } from './support/event-world';

const FENCE = `{${STREAM_KEY}}:term`;
/** Of an hour ago. */
const OLD = 100;

describe('a Redis that', () => {
  let stores: TestDatabase;
  let world: EventWorld;
  let relay: Relay;

  const numbers = async (): Promise<number[]> =>
    (await world.streamed()).map((event) => Number(JSON.parse(event.data!).fields[0]));
  const become = (expected: number[]): Promise<void> =>
    eventually(async () => JSON.stringify(await numbers()) === JSON.stringify(expected));
  const loseConnections = () => world.cutRelayOff();

  beforeEach(async () => {
    Logger.overrideLogger(false);
    stores = await createTestDatabase();
    world = await EventWorld.create(stores.databaseUrl, stores.redisUrl);
    relay = new Relay(world.config, true);
    relay.onApplicationBootstrap();
    const past = new Events({ date: () => new Date(Date.now() - 3_600_000) } as Clock, world.config);
    await world.db.transaction((tx) => past.record(tx, systemCaller('r'), world.numbered('user:1', OLD)));
    for (let i = 0; i < 3; i++) await world.record(world.numbered('user:1', i));
    await world.published();
    expect(await numbers()).toEqual([OLD, 0, 1, 2]);
  });
  afterEach(async () => {
    await relay.onApplicationShutdown();
    await world.close();
    await stores.drop();
  });

  /** As a replica that lagged has it: two events, and what it knew of them. */
  const loseTheLast = async (): Promise<void> => {
    for (const [id] of (await world.redis.xrange(STREAM_KEY, '-', '+')).slice(2))
      await world.redis.xdel(STREAM_KEY, id);
    await world.redis.hset(FENCE, 'position', 2);
  };

  it('failed over and lacks the last events is given them again', async () => {
    await loseTheLast();
    await loseConnections();
    await become([OLD, 0, 1, 2]);
    await world.published();
    const positions = (await world.streamed()).map(({ chain_position }) => chain_position);
    expect(positions).toEqual(['1', '2', '3', '4']);
  });

  it('failed over without a word, as in a cluster, is given them with the next event, in order', async () => {
    await loseTheLast();
    await world.record(world.numbered('user:1', 3));
    await become([OLD, 0, 1, 2, 3]);
    await world.published();
  });

  it('lost everything and came back is given the events of the last minutes, and no older ones', async () => {
    await world.redis.flushdb();
    await loseConnections();
    await become([0, 1, 2]);
  });

  it('was emptied without a word is given them with the next event, in order', async () => {
    await world.redis.flushdb();
    await world.record(world.numbered('user:1', 3));
    await become([0, 1, 2, 3]);
  });

  it('was written to by the release before, which kept no positions, is given nothing twice', async () => {
    await world.redis.hdel(FENCE, 'position');
    await loseConnections();
    await world.record(world.numbered('user:1', 3));
    await become([OLD, 0, 1, 2, 3]);
  });

  it('comes back as it was is given nothing twice', async () => {
    await loseConnections();
    await world.record(world.numbered('user:1', 3));
    await become([OLD, 0, 1, 2, 3]);
  });
});
