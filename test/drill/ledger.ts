/** The events of one fault: each of them on the stream, in the chain, and handled once by the subscriber. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSource } from '../../src/audit/proof/database-source';
import { verifyChain } from '../../src/audit/proof/verify-chain';
import { EVENT_STREAM } from './event-stream';
import { eventsPublished } from '../support/events-published';
import { Findings } from './findings';
import { People } from './people';
import { World } from './world';

const WAIT_MS = 20_000;

interface Recorded {
  position: number;
  event_id: string;
  event_type: string;
  subject: string;
  hash: string;
  session_id: string | null;
}

export class Ledger {
  private constructor(
    private readonly world: World,
    private readonly before: number,
  ) {}

  static async open(world: World): Promise<Ledger> {
    await until(() => eventsPublished((sql) => rowsOf<{ published: boolean }>(world, sql)));
    const [row] = await rowsOf<{ position: string }>(
      world,
      'SELECT chain_position AS position FROM event_relay',
    );
    return new Ledger(world, Number(row!.position));
  }

  /** Looks at everything that was recorded since it was opened. */
  async check(people: People, findings: Findings): Promise<void> {
    const { world } = this;
    if (!(await until(() => eventsPublished((sql) => rowsOf<{ published: boolean }>(world, sql)))))
      findings.add('events wait to be published');
    const recorded = await this.recorded();
    await this.checkStream(recorded, findings);
    await this.checkSubscriber(recorded, findings);
    await this.checkAccounts(findings);
    checkActions(recorded, people, findings);
    const config = { DATABASE_URL: world.servers.databaseUrl, APP_NAME: 'drill' };
    const range = { range: { from: null, to: null }, content: 'with personal data' } as const;
    const proof = await DatabaseSource.read(config, range, (source) => verifyChain(source));
    if (proof.findings.total > 0) findings.add('the chain is broken', JSON.stringify(proof.findings));
  }

  private async recorded(): Promise<Recorded[]> {
    const rows = await rowsOf<Omit<Recorded, 'position'> & { position: string }>(
      this.world,
      `SELECT c.position, e.event_id, e.event_type, e.subject, encode(c.hash, 'hex') AS hash,
              e.data->>'session_id' AS session_id
       FROM event_chain c JOIN events e ON e.event_id = c.event_id AND e."timestamp" = c."timestamp"
       WHERE c.position > ${this.before} ORDER BY c.position`,
    );
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  private async checkStream(recorded: Recorded[], findings: Findings): Promise<void> {
    const entries = (await this.world.redis.xrange(EVENT_STREAM, '-', '+'))
      .map(([, fields]) =>
        Object.fromEntries(fields.flatMap((name, i) => (i % 2 ? [] : [[name, fields[i + 1]!]]))),
      )
      .filter(({ chain_position }) => Number(chain_position) > this.before);
    const byId = new Map(recorded.map((event) => [event.event_id, event]));
    const seen = new Set<string>();
    const last = new Map<string, number>();
    for (const { event_id, chain_position, chain_hash } of entries) {
      const event = byId.get(event_id!);
      if (!event || event.position !== Number(chain_position) || event.hash !== chain_hash) {
        findings.add('an event on the stream is not in PostgreSQL', event_id);
        continue;
      }
      if (!seen.has(event.event_id) && event.position < (last.get(event.subject) ?? 0))
        findings.add('events of a subject are out of order', event.event_id);
      if (!seen.has(event.event_id)) last.set(event.subject, event.position);
      seen.add(event.event_id);
    }
    for (const { event_id, event_type } of recorded)
      if (!seen.has(event_id))
        findings.add('a recorded event is not on the stream', `${event_type} ${event_id}`);
  }

  private async checkSubscriber(recorded: Recorded[], findings: Findings): Promise<void> {
    const missing = async (): Promise<number> => {
      const [row] = await rowsOf<{ missing: number }>(
        this.world,
        `SELECT count(*)::int AS missing FROM event_chain c WHERE position > ${this.before}
         AND NOT EXISTS (SELECT FROM handled_events h WHERE h.event_id = c.event_id)`,
      );
      return row!.missing;
    };
    if (recorded.length > 0 && !(await until(async () => (await missing()) === 0)))
      findings.add(
        'the subscriber misses events',
        `${await missing()} of ${recorded.length}; it said: ${this.world.subscriber.output.slice(-500)}`,
      );
    const [counts] = await rowsOf<{ invented: number; handled: number; effects: number; aside: number }>(
      this.world,
      `SELECT (SELECT count(*)::int FROM handled_events h
               WHERE NOT EXISTS (SELECT FROM event_chain c WHERE c.event_id = h.event_id)) AS invented,
              (SELECT count(*)::int FROM handled_events) AS handled,
              (SELECT coalesce(sum(events), 0)::int FROM activity) AS effects,
              (SELECT count(*)::int FROM set_aside_events) AS aside`,
    );
    const { invented, handled, effects, aside } = counts!;
    if (invented > 0)
      findings.add('the subscriber heard of events that are not in PostgreSQL', String(invented));
    if (effects !== handled)
      findings.add('an event had its effect twice', `${effects} effects of ${handled}`);
    if (aside > 0) findings.add('the subscriber set events aside', String(aside));
  }

  private async checkAccounts(findings: Findings): Promise<void> {
    const [halves] = await rowsOf<{ halves: number }>(
      this.world,
      `SELECT count(*)::int AS halves FROM users u WHERE kind = 'person' AND (
         NOT EXISTS (SELECT FROM user_roles WHERE user_id = u.id)
         OR NOT EXISTS (SELECT FROM events WHERE subject = 'user:' || u.id AND event_type IN ('user.registered', 'user.created')))`,
    );
    if (halves!.halves > 0) findings.add('an account is not whole', String(halves!.halves));
  }
}

/** Who was told that something is done finds it on record; and nothing else is, but what got no clear answer. */
function checkActions(recorded: Recorded[], people: People, findings: Findings): void {
  const sessionsOf = (type: string): Set<string | null> =>
    new Set(recorded.filter((event) => event.event_type === type).map((event) => event.session_id));
  const signIns = sessionsOf('user.login');
  for (const id of people.signedIn) if (!signIns.has(id)) findings.add('a sign-in is not on record', id);
  const signOuts = sessionsOf('user.logout');
  for (const id of people.signedOut) if (!signOuts.has(id)) findings.add('a sign-out is not on record', id);
  const others = (recorded: Set<string | null>, known: Set<string>): number =>
    [...recorded].filter((id) => !known.has(id!)).length;
  const invented = [
    ['sign-ins', others(signIns, people.signedIn), people.unclearSignIns],
    ['sign-outs', others(signOuts, people.signedOut), people.unclearSignOuts],
  ] as const;
  for (const [what, count, unclear] of invented)
    if (count > unclear)
      findings.add(`${what} are on record that nobody made`, `${count}, ${unclear} were unclear`);
}

async function rowsOf<T extends object>(world: World, sql: string): Promise<T[]> {
  return (await world.db.query<T>(sql)).rows;
}

/** @returns false where it does not come true in time. */
async function until(is: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + WAIT_MS; ; await sleep(100)) {
    if (await is().catch(() => false)) return true;
    if (Date.now() > deadline) return false;
  }
}
