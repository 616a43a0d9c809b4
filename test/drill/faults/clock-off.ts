import { decodeJwt } from 'jose';
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault';
import { GuardedPerson } from '../guarded-person';
import { Instance } from '../instance';
import { tokensOf } from '../people';
import type { Watch } from '../watch';

/** REFRESH_GRACE_SECONDS, and a second. */
const AFTER_GRACE_MS = 11_000;

/** What `faketime` has a program load. It is not run itself: it would stay between the drill and the instance. */
function library(): string | undefined {
  const { status, stdout } = spawnSync('faketime', ['-m', '-f', '+0s', 'printenv', 'LD_PRELOAD'], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

const clockOff = (name: string, offset: '+60s' | '-60s', words: string): Fault => ({
  name,
  title: `the clock of one instance is 60 s ${words} (faketime)`,
  promise: 'tokens, refreshes and codes are good at both, as they are with good clocks',
  isQuick: false,
  needs: () => (library() ? undefined : 'faketime is not installed'),
  run: (world) =>
    world.watch(async (watch) => {
      const [right, wrong] = world.instances;
      await wrong.end('SIGTERM');
      // Timers go by the other clock, which is nobody's idea of the time.
      await wrong.start({
        env: { LD_PRELOAD: library()!, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' },
      });
      const off = Math.round(((await dateOf(wrong)) - Date.now()) / 1000);
      watch.note(`it says so itself: its replies are dated ${off} s off`);
      if (Math.abs(off - parseInt(offset)) > 5) watch.broken('the drill itself failed', 'its clock is right');
      for (const [here, there] of [
        [right, wrong],
        [wrong, right],
      ] as const) {
        await signInAndGoOn(watch, here, there);
        const guarded = await GuardedPerson.enrol(watch);
        await guarded.signIn(there);
      }
      await watch.last(3);
      await wrong.restart();
    }),
});

/** The header `Date`, which Node writes by the clock of the machine. */
async function dateOf({ url }: Instance): Promise<number> {
  return Date.parse((await fetch(`${url}/health/live`)).headers.get('date')!);
}

/** A session of the one is used, refreshed, and refreshed again with a lost answer, at the other. */
async function signInAndGoOn(watch: Watch, here: Instance, there: Instance): Promise<void> {
  const { people } = watch.cast;
  const where = `${here.name} then ${there.name}`;
  const { person } = await people.enrol();
  const tokens = await people.signIn(here, person);
  if (!tokens) return watch.broken('nobody can sign in', where);
  if ((await people.me(there, tokens.accessToken)).status !== 200)
    watch.broken('an access token was refused', where);
  const { iat = 0 } = decodeJwt(tokens.accessToken);
  const off = iat - Date.now() / 1000;
  if (Math.abs(off) > 3) watch.broken('an access token is dated wrongly', `${off.toFixed(0)} s, ${where}`);

  const first = await people.refresh(here, tokens.refreshToken);
  const repeated = await people.refresh(there, tokens.refreshToken);
  if (repeated.status !== 200)
    return watch.broken('a repeated refresh was refused', `${repeated.status} ${repeated.code}, ${where}`);
  if (tokensOf(first).refreshToken !== tokensOf(repeated).refreshToken)
    watch.broken('a repeated refresh got another successor', where);
  await sleep(AFTER_GRACE_MS);
  const { status, code } = await people.refresh(there, tokens.refreshToken);
  if (code !== 'refresh_token_reused')
    watch.broken('a refresh token was taken after the grace', `${status} ${code}, ${where}`);
  watch.cast.bury(tokensOf(first), 'was ended by the alarm');
}

export const clockAhead = clockOff('clock-ahead', '+60s', 'ahead');
export const clockBehind = clockOff('clock-behind', '-60s', 'behind');
