import { setTimeout as sleep } from 'node:timers/promises';
import { Cast } from '../cast';
import { Fault } from '../fault';
import { Tokens } from '../people';
import { RedisReplica } from '../redis-replica';
import { Watch } from '../watch';

const LEAVERS = 6;
/** After the failover ended sessions are tried all the time for so long. */
const KNOCK_MS = 2_000;

/**
 * The primary dies, and a replica that lagged behind takes its place: what was opened, ended and exchanged in its last
 * seconds is unknown to it.
 */
export const redisFailover: Fault = {
  name: 'redis-failover',
  title: 'Redis fails over to a replica that lags behind',
  promise:
    'whoever signed in meanwhile signs in again; a session that was ended stays ended; events that it lacks are published again',
  isQuick: true,
  run: async (world) => {
    const replica = await RedisReplica.start(world);
    let spent: Spent[] = [];
    let knocking: Promise<void> | undefined;
    try {
      return await world.watch(
        async (watch) => {
          const { cast } = watch;
          const leavers = await cast.people.enrolMany(LEAVERS);
          spent = cast.chains.map((member) => ({ member, token: member.tokens.refreshToken }));
          await replica.caughtUp();
          await replica.standAlone();
          await leave(cast, leavers);
          await watch.last(4, 1.5);
          cast.excuse();
          await world.servers.killRedis();
          await replica.takePlace();
          knocking = knock(watch, leavers);
        },
        {
          refuses: true,
          after: async ({ cast }) => {
            await knocking;
            await presentSpent(cast, spent);
          },
        },
      );
    } finally {
      await replica.stop();
      await world.servers.restartRedis();
    }
  },
};

/** A token that was in force when the replica fell behind, and has been exchanged since. */
interface Spent {
  member: { tokens: Tokens };
  token: string;
}

/** @throws Error where somebody cannot: there would be nothing to see. */
async function leave(cast: Cast, leavers: Tokens[]): Promise<void> {
  for (const tokens of leavers) {
    const { status } = await cast.people.signOut(cast.witness.instances[0], tokens);
    if (status !== 200) throw new Error(`a sign-out was answered ${status}`);
    cast.bury(tokens, 'was signed out while the replica lagged');
  }
}

/** For the new primary they are open, until it is told. */
async function knock({ cast, witness }: Watch, leavers: Tokens[]): Promise<void> {
  for (const end = performance.now() + KNOCK_MS; performance.now() < end; await sleep(20))
    for (const { accessToken } of leavers.slice(0, 2))
      for (const instance of witness.instances) {
        const { status } = await cast.people.me(instance, accessToken);
        if (status === 200)
          witness.findings.add('a session that was signed out while the replica lagged was let in');
      }
}

/** Once their owner has refreshed, they are known again for what they are. */
async function presentSpent({ people, witness }: Cast, spent: Spent[]): Promise<void> {
  for (const { member, token } of spent) {
    const owner = await people.refresh(witness.instances[0], member.tokens.refreshToken);
    const { status } = await people.refresh(witness.instances[1], token);
    if (owner.status === 200 && status === 200)
      witness.findings.add('a refresh token that was exchanged while the replica lagged was taken');
  }
}
