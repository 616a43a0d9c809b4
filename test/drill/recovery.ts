import { setTimeout as sleep } from 'node:timers/promises';
import { EVENT_STREAM } from './event-stream';
import { Cast } from './cast';
import { Instance } from './instance';
import { tokensOf } from './people';
import { World } from './world';

const LONGEST_MS = 60_000;
const TRY_EVERY_MS = 50;
/** Of the newest entries of the stream: more than come while this looks. */
const NEWEST = 1_000;

/**
 * Waits until a sign-in, a request with its token and a refresh succeed at both instances, and the stream has the events
 * of the last of these sign-ins: then it has all that came before.
 * @returns milliseconds; undefined where that takes longer than a minute.
 */
export async function wellAgain(world: World, cast: Cast): Promise<number | undefined> {
  const began = performance.now();
  const isLate = (): boolean => performance.now() - began > LONGEST_MS;
  let sessionId: string | undefined;
  for (const instance of world.instances) {
    while (!(sessionId = await worksAt(instance, cast))) {
      if (isLate()) return undefined;
      await sleep(TRY_EVERY_MS);
    }
  }
  while (!(await isOnStream(world, sessionId!))) {
    if (isLate()) return undefined;
    await sleep(TRY_EVERY_MS);
  }
  return Math.round(performance.now() - began);
}

/** @returns the new session. */
async function worksAt(instance: Instance, { people, living }: Cast): Promise<string | undefined> {
  const tokens = await people.signIn(instance, living[0]!.tokens.person);
  if (!tokens) return undefined;
  if ((await people.me(instance, tokens.accessToken)).status !== 200) return undefined;
  const refreshed = await people.refresh(instance, tokens.refreshToken);
  if (refreshed.status !== 200) return undefined;
  return tokensOf(refreshed).accessToken ? tokens.sessionId : undefined;
}

async function isOnStream({ redis }: World, sessionId: string): Promise<boolean> {
  const entries = await redis.xrevrange(EVENT_STREAM, '+', '-', 'COUNT', NEWEST);
  return entries.some(([, fields]) => fields.some((text) => text.includes(sessionId)));
}
