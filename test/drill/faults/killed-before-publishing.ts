import { setTimeout as sleep } from 'node:timers/promises';
import { eventsPublished } from '../../support/events-published';
import { Fault } from '../fault';
import { Instance } from '../instance';
import type { Watch } from '../watch';

const SIGN_INS = 20;
const WAIT_MS = 20_000;

/** The publisher stops between two statements, sign-ins are committed meanwhile, and it is killed with those unpublished. */
export const killedBeforePublishing: Fault = {
  name: 'killed-before-publishing',
  title: 'the instance that publishes events is killed (-9) between commit and publish',
  promise: 'the other takes over; every committed event is published, none is invented',
  isQuick: true,
  run: (world) =>
    world.watch(async (watch) => {
      const leader = await publisher(watch);
      const other = world.instances.find((instance) => instance !== leader)!;
      process.kill(leader.pid, 'SIGSTOP');
      const { people, living } = watch.cast;
      const signIns = Array.from({ length: SIGN_INS }, (_, i) =>
        people.signIn(other, living[i % living.length]!.tokens.person),
      );
      const done = (await Promise.all(signIns)).filter(Boolean).length;
      const waiting = await unpublished(watch);
      await leader.end('SIGKILL');
      const killedAt = performance.now();
      if (done === 0 || waiting < done)
        watch.broken('the drill itself failed', `only ${waiting} of ${done} events waited`);
      while (!(await isPublished(watch))) {
        if (performance.now() - killedAt > WAIT_MS) return watch.broken('nobody took over the publishing');
        await sleep(20);
      }
      const took = Math.round(performance.now() - killedAt);
      watch.note(`${waiting} events waited; all were published ${(took / 1000).toFixed(1)} s after the kill`);
      await leader.start();
    }),
};

/** @throws Error where none of them publishes. */
async function publisher({ world }: Watch): Promise<Instance> {
  for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(100)) {
    for (const instance of world.instances) {
      const metrics = await (await fetch(`${instance.url}/metrics`)).text();
      if (/^user_service_event_relay_leader(\{[^}]*\})? 1$/m.test(metrics)) return instance;
    }
  }
  throw new Error('no instance publishes events');
}

/** Those without a link, and those that have one and are not on the stream. */
async function unpublished({ world }: Watch): Promise<number> {
  const { rows } = await world.db.query<{ waiting: number }>(
    `SELECT (SELECT count(*) FROM event_outbox)::int + (chain_position - published_position)::int AS waiting
     FROM event_relay`,
  );
  return rows[0]!.waiting;
}

/** At some moment; people go on. */
async function isPublished({ world }: Watch): Promise<boolean> {
  return eventsPublished(async (sql) => (await world.db.query<{ published: boolean }>(sql)).rows);
}
