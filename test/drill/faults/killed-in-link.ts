import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault';
import { Instance } from '../instance';
import { Tokens } from '../people';
import type { Watch } from '../watch';
import { Answer } from '../witness';

const OWNERS = 4;
/** With short deadlines of the broker and the KMS a call is given up for dead after 18 s instead of half a minute. */
const SHORT = { KITE_API_TIMEOUT_SECONDS: '3', KMS_TIMEOUT_MS: '100' };
const LONGEST_MS = 40_000;
/** Before the first of them gives Kite up. */
const ASKED_MS = 2_500;

/** An owner who links an account, with a login at Kite that the service asks for once. */
class Link {
  readonly key = randomUUID();
  private readonly app: { apiKey: string; apiSecret: string };
  private readonly body: object;

  constructor(
    private readonly watch: Watch,
    private readonly owner: Tokens,
    private readonly brokerUserId: string,
  ) {
    const { kite } = watch.world;
    this.app = kite.newApp();
    const { apiKey, apiSecret } = this.app;
    this.body = { broker: 'kite', api_key: apiKey, api_secret: apiSecret, request_token: this.login() };
  }

  get sessions(): { alive: boolean }[] {
    return this.watch.world.kite.sessions().filter(({ apiKey }) => apiKey === this.app.apiKey);
  }

  ask(instance: Instance): Promise<Answer> {
    return this.post(instance, 'link', this.body, { 'idempotency-key': this.key });
  }

  /** Asks until it is no longer in the hands of the dead, and proves the login anew where the answer asks for it. */
  async repeat(instance: Instance): Promise<void> {
    const { watch } = this;
    let answer = await this.ask(instance);
    for (const deadline = Date.now() + LONGEST_MS; answer.code === 'broker_call_in_progress';) {
      if (Date.now() > deadline) return watch.broken('a link stays in the hands of a dead process');
      await sleep(500);
      answer = await this.ask(instance);
    }
    if (answer.status !== 201)
      return watch.broken('a link could not be repeated', `${answer.status} ${answer.code}`);
    const { trading_account_id: id, status } = answer.body as { trading_account_id: string; status: string };
    if (status === 'active') return;
    const proved = await this.post(instance, `${id}/session`, { request_token: this.login() });
    if (proved.body.status !== 'active')
      watch.broken('a repeated link could not be finished', `${proved.status} ${proved.code}`);
  }

  /** What is there in the end: one account, and one living session at Kite. */
  async check(): Promise<void> {
    const { watch, owner } = this;
    const { rows } = await watch.world.db.query<{ status: string; turn_id: string | null; sets: number }>(
      `SELECT status, turn_id, (SELECT count(*)::int FROM trading_credentials c WHERE c.trading_account_id = a.id) AS sets
       FROM trading_accounts a WHERE user_id = $1`,
      [owner.userId],
    );
    const [account, ...others] = rows;
    if (others.length > 0) watch.broken('a link made two accounts');
    if (account?.status !== 'active' || account.turn_id !== null || account.sets !== 1)
      watch.broken('a linked account is not whole', JSON.stringify(account));
    const living = this.sessions.filter(({ alive }) => alive).length;
    if (living !== 1) watch.broken('there is not one session at Kite', String(living));
  }

  private login(): string {
    return this.watch.world.kite.login(this.app.apiKey, this.brokerUserId);
  }

  private post(
    instance: Instance,
    path: string,
    body: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const token = this.owner.accessToken;
    return this.watch.witness.ask(instance, {
      method: 'POST',
      path: `/v1/trading-accounts/${path}`,
      token,
      body,
      headers,
    });
  }
}

/** Killed after Kite has opened the session and before anybody heard of it. */
export const killedInLink: Fault = {
  name: 'killed-in-link',
  title: 'an instance is killed (-9) while it links trading accounts, after Kite has logged in',
  promise: 'repeated at the other with the same Idempotency-Key: one account, whole, one session at Kite',
  isQuick: false,
  run: async (world) => {
    const [victim, other] = world.instances;
    await victim.restart({ env: SHORT });
    const seen = await world.watch(async (watch) => {
      const links: Link[] = [];
      for (let i = 0; i < OWNERS; i++) {
        const owner = await watch.cast.people.enrol();
        await world.db.query(`UPDATE users SET status = 'active', email_verified_at = now() WHERE id = $1`, [
          owner.userId,
        ]);
        links.push(new Link(watch, owner, `ZX${1000 + i}`));
      }
      world.kite.fault('slow');
      const lost = links.map((link) => link.ask(victim));
      try {
        for (
          const end = Date.now() + ASKED_MS;
          links.some(({ sessions }) => sessions.length === 0);
          await sleep(10)
        )
          if (Date.now() > end) return watch.broken('the drill itself failed', 'Kite was not asked');
        await victim.end('SIGKILL');
      } finally {
        world.kite.fault('none');
      }
      const killedAt = performance.now();
      const answered = (await Promise.all(lost)).filter(({ status }) => status !== 0).length;
      if (answered > 0) watch.broken('the drill itself failed', 'a link was answered before the kill');
      await victim.start();
      await Promise.all(links.map((link) => link.repeat(other)));
      watch.note(
        `links were finished ${((performance.now() - killedAt) / 1000).toFixed(0)} s after the kill`,
      );
      for (const link of links) await link.check();
    });
    await victim.restart();
    return seen;
  },
};
