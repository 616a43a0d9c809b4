import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault';
import { Tokens, tokensOf } from '../people';
import type { Watch } from '../watch';
import type { World } from '../world';

const PEOPLE = 24;
const TRIES = 20;
/** For all of them to have asked, and for what is on its way to arrive. */
const MOMENT_MS = 100;

/** Somebody who refreshes without a pause; who gets no answer waits to be told where to ask again. */
class Refresher {
  /** Answers that brought another token than the one presented. */
  exchanged = 0;
  isLost = false;

  constructor(
    private readonly watch: Watch,
    private tokens: Tokens,
    /** How often the session had been refreshed before. */
    readonly counted: number,
  ) {}

  get userId(): string {
    return this.tokens.userId;
  }

  async run(isOver: () => boolean, elsewhere: Promise<void>): Promise<void> {
    const [first, second] = this.watch.witness.instances;
    while (!isOver()) {
      const answer = await this.watch.cast.people.refresh(
        this.isLost ? second : first,
        this.tokens.refreshToken,
      );
      if (answer.status === 200) {
        this.tokens = { ...this.tokens, ...tokensOf(answer) };
        this.exchanged++;
      } else if (answer.wasAbsent && !this.isLost) {
        this.isLost = true;
        await elsewhere;
      } else if (answer.status !== 503) {
        this.watch.broken(
          'a refresh that was repeated elsewhere was refused',
          `${answer.status} ${answer.code}`,
        );
        return;
      }
    }
  }

  /** As Redis has it. */
  async count(): Promise<number> {
    const { userId, sessionId } = this.tokens;
    return Number((await this.watch.world.redis.hget(`sessions:{${userId}}`, sessionId))?.split(' ')[0]);
  }

  /** How often more than its owner was told. */
  async ahead(): Promise<number> {
    return (await this.count()) - this.counted - this.exchanged;
  }

  static async start(watch: Watch): Promise<Refresher> {
    const refresher = new Refresher(watch, await watch.cast.people.enrol(), 0);
    return Object.assign(refresher, { counted: await refresher.count() });
  }
}

async function countAhead(people: Refresher[]): Promise<number> {
  return (await Promise.all(people.map((one) => one.ahead()))).filter((ahead) => ahead === 1).length;
}

/** Has Redis do what the first instance asked for when that one can no longer tell anybody: it is stopped meanwhile. */
async function stopAfterExchange(
  { servers, instances: [victim] }: World,
  people: Refresher[],
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    servers.freezeRedis();
    await sleep(MOMENT_MS);
    process.kill(victim.pid, 'SIGSTOP');
    servers.thawRedis();
    await sleep(MOMENT_MS);
    // What it had sent to Redis may have been something else.
    if ((await countAhead(people)) > 0) return;
    process.kill(victim.pid, 'SIGCONT');
    await sleep(MOMENT_MS);
  }
}

/** A client that got no answer asks another instance, with the same token: it had been exchanged, or had not. */
export const killedInRefresh: Fault = {
  name: 'killed-in-refresh',
  title: 'an instance is killed (-9) with refreshes in flight',
  promise: 'repeated at the other, each goes on with one successor; no alarm, no session lost',
  isQuick: true,
  run: (world) =>
    world.watch(async (watch) => {
      const [victim] = world.instances;
      const people: Refresher[] = [];
      for (let i = 0; i < PEOPLE; i++) people.push(await Refresher.start(watch));
      let isOver = false;
      let goOn = (): void => undefined;
      const elsewhere = new Promise<void>((resolve) => (goOn = resolve));
      const running = people.map((person) => person.run(() => isOver, elsewhere));
      await watch.last(1.5, 0.5);
      await stopAfterExchange(world, people);
      await victim.end('SIGKILL');
      await sleep(100);
      const lost = people.filter(({ isLost }) => isLost);
      const exchanged = await countAhead(lost);
      if (exchanged === 0)
        watch.broken('the drill itself failed', 'no token was exchanged without an answer');
      goOn();
      await watch.last(2, 0.5);
      isOver = true;
      await Promise.all(running);
      await victim.start();
      watch.note(`${lost.length} answers were lost, ${exchanged} of them of exchanged tokens`);
      for (const person of people) {
        const ahead = await person.ahead();
        if (ahead !== 0)
          watch.broken('a session was not refreshed as often as its owner was told', `by ${ahead}`);
      }
      const { rows } = await world.db.query<{ alarms: number }>(
        `SELECT count(*)::int AS alarms FROM events WHERE event_type = 'session.revoked' AND subject = ANY($1)`,
        [people.map(({ userId }) => `user:${userId}`)],
      );
      if (rows[0]!.alarms > 0) watch.broken('a repeated refresh raised the alarm', `${rows[0]!.alarms}`);
    }),
};
