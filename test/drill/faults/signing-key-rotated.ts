import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from '../command';
import { Fault } from '../fault';
import { Instance } from '../instance';
import type { Watch } from '../watch';

/** So much faster than in reality go the time that a key is published ahead, and the time that verifiers keep keys. */
const SCALE = 5;
const PUBLISHED_AHEAD_MS = 600_000 / SCALE;
const CACHED_MS = 300_000 / SCALE;
const VERIFIERS = 6;
const PAUSE_MS = 200;
const MEMBERS = 15;
/** How long people go on with the new key. */
const AFTER_MS = 30_000;

interface Verifier {
  verify(token: string): Promise<unknown>;
}

/** A gateway that asks for the keys every five minutes, and not any earlier: not even for a key that it does not know. */
function gateway({ url }: Instance): Verifier {
  const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`), {
    cacheMaxAge: CACHED_MS,
    cooldownDuration: CACHED_MS,
  });
  const expected = {
    issuer: 'http://localhost:8001',
    audience: 'trading_platform',
    typ: 'at+jwt',
    algorithms: ['RS256'],
  };
  return { verify: (token) => jwtVerify(token, keys, expected) };
}

/** Signs in again and again, and has every gateway check the tokens: the new ones, and some that were kept. */
class Traffic {
  readonly checked = new Map<string, number>();
  readonly gateways: Verifier[] = [];
  private readonly kept: string[] = [];
  private isOver = false;

  constructor(private readonly watch: Watch) {}

  async run(): Promise<void> {
    const { people } = this.watch.cast;
    // Nobody of them has a hundred sessions in the end, which would end the oldest.
    const members = await people.enrolMany(MEMBERS);
    for (let turn = 0; !this.isOver; turn++, await sleep(PAUSE_MS)) {
      const { person } = members[turn % members.length]!;
      const tokens = await people.signIn(this.watch.witness.instances[turn % 2]!, person);
      if (!tokens) continue;
      await this.check(tokens.accessToken);
      if (turn % 10 === 0) this.kept.push(tokens.accessToken);
      else if (this.kept.length > 0) await this.check(this.kept[turn % this.kept.length]!);
    }
  }

  end(): void {
    this.isOver = true;
  }

  private async check(token: string): Promise<void> {
    const { kid = '' } = decodeProtectedHeader(token);
    for (const [index, one] of this.gateways.entries()) {
      await one.verify(token).catch((error: Error) => {
        const code = error instanceof errors.JOSEError ? error.code : error.message;
        this.watch.broken('a gateway refused a good token', `gateway ${index}, key ${kid}: ${code}`);
      });
      this.checked.set(kid, (this.checked.get(kid) ?? 0) + 1);
    }
  }
}

export const signingKeyRotated: Fault = {
  name: 'signing-key-rotated',
  title: 'the signing key is rotated under load (`keys rotate`)',
  promise: 'gateways that keep the key set for 5 minutes refuse no good token',
  isQuick: false,
  run: (world) =>
    world.watch(async (watch) => {
      const traffic = new Traffic(watch);
      const running = traffic.run();
      try {
        // Each looks for keys at another time.
        const open = async (): Promise<void> => {
          for (let i = 0; i < VERIFIERS; i++, await sleep(CACHED_MS / VERIFIERS))
            traffic.gateways.push(gateway(world.instances[i % 2]!));
        };
        const opening = open();
        await new Command(world, ['keys', 'rotate']).done();
        await world.db.query(
          `UPDATE signing_keys SET activates_at = activates_at - $1 * interval '1 millisecond'
           WHERE use = 'access' AND activates_at > now()`,
          [600_000 - PUBLISHED_AHEAD_MS],
        );
        await opening;
        await sleep(PUBLISHED_AHEAD_MS - CACHED_MS + AFTER_MS);
      } finally {
        traffic.end();
        await running;
      }
      const counts = [...traffic.checked.values()];
      if (counts.length !== 2)
        watch.broken('the drill itself failed', `tokens of ${counts.length} keys were seen`);
      watch.note(
        `10 minutes ahead and 5 minutes of cache, both ${SCALE} times as fast; ${VERIFIERS} gateways checked` +
          ` ${counts.join(' tokens of the old key and ')} of the new one`,
      );
    }),
};
