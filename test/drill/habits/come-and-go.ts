import { Cast, Dead } from '../cast';
import { Habit } from '../witness';

/** A sign-out that got no answer is tried again so often. */
const TRIES = 10;

/** People sign in with the right password: 200, or 503. */
export const signIn = (cast: Cast): Habit => ({
  everyMs: 500,
  once: async (turn) => {
    const { witness, people, living } = cast;
    const instance = witness.instances[turn % 2]!;
    const tokens = await people.signIn(instance, living[turn % living.length]!.tokens.person);
    if (tokens) await people.me(witness.instances[(turn + 1) % 2]!, tokens.accessToken);
  },
});

/** Others try a wrong one: never 200. */
export const guessPassword = (cast: Cast): Habit => ({
  everyMs: 900,
  once: (turn) => {
    const { witness, people, living } = cast;
    return people.wrongPassword(witness.instances[turn % 2]!, living[turn % living.length]!.tokens.person);
  },
});

/** Sessions are opened and ended. As soon as an end is answered, the session is over at both instances. */
export const signOut = (cast: Cast): Habit => ({
  everyMs: 700,
  once: async (turn) => {
    const { witness, people, living } = cast;
    const [here, there] = turn % 2 ? witness.instances : [...witness.instances].reverse();
    const tokens = await people.signIn(here, living[turn % living.length]!.tokens.person);
    if (!tokens) return;
    for (let tries = 0; tries < TRIES; tries++) {
      const { status } = await people.signOut(tries % 2 ? here : there, tokens);
      if (status === 503 || status === 0) continue;
      if (status === 200) {
        cast.bury(tokens, 'was signed out meanwhile');
        await knock(cast, cast.dead.at(-1)!);
      }
      return;
    }
  },
});

/** Whose session is over tries the doors: 401, or 503. */
export const knockWhenOver = (cast: Cast): Habit => ({
  everyMs: 250,
  once: (turn) => knock(cast, cast.dead[turn % cast.dead.length]!),
});

/** Strangers come with a token of somebody's whose signature is not ours: 401, or 503. */
export const presentForgeries = (cast: Cast): Habit => ({
  everyMs: 500,
  once: async (turn) => {
    const { witness, people, living } = cast;
    const { accessToken, refreshToken } = living[turn % living.length]!.tokens;
    const instance = witness.instances[(turn >> 1) % 2]!;
    const answers = await Promise.all([
      people.me(instance, forged(accessToken)),
      people.refresh(instance, forged(refreshToken)),
    ]);
    for (const { status } of answers)
      if (status === 200) witness.findings.add('a forged token was taken', `instance ${instance.name}`);
  },
});

/** Ten characters before its end, where each bit counts. */
const forged = (token: string): string =>
  token.slice(0, -10) + (token.at(-10) === 'A' ? 'B' : 'A') + token.slice(-9);

async function knock({ witness, people }: Cast, { accessToken, refreshToken, why }: Dead): Promise<void> {
  await Promise.all(
    witness.instances.map(async (instance) => {
      const { status, milliseconds } = await people.me(instance, accessToken);
      if (status === 200)
        witness.findings.add(
          `a session that ${why} was let in`,
          `instance ${instance.name}, ${milliseconds} ms`,
        );
    }),
  );
  if (!refreshToken) return;
  const { status } = await people.refresh(witness.instances[0], refreshToken);
  if (status === 200) witness.findings.add(`a session that ${why} was refreshed`);
}
