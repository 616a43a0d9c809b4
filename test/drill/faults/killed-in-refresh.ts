import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault';
import { Tokens, tokensOf } from '../people';
import type { Watch } from '../watch';

const PEOPLE = 24;

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

  static async start(watch: Watch): Promise<Refresher> {
    const refresher = new Refresher(watch, await watch.cast.people.enrol(), 0);
    return Object.assign(refresher, { counted: await refresher.count() });
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
      await victim.end('SIGKILL');
      await sleep(100);
      const lost = people.filter(({ isLost }) => isLost);
      const early = await Promise.all(
        lost.map(async (one) => (await one.count()) - one.counted - one.exchanged),
      );
      goOn();
      await watch.last(2, 0.5);
      isOver = true;
      await Promise.all(running);
      await victim.start();
      watch.note(
        `${lost.length} answers were lost, ${early.filter((ahead) => ahead === 1).length} of them of exchanged tokens`,
      );
      for (const person of people) {
        const ahead = (await person.count()) - person.counted - person.exchanged;
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
