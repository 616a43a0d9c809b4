import { Cast, Member } from '../cast';
import { tokensOf } from '../people';
import { Habit } from '../witness';

/** REFRESH_GRACE_SECONDS, less a second: a lost answer can be asked for again for so long. */
const GRACE_MS = 9_000;

/** Members exchange their refresh tokens again and again; whose answer was lost asks the other instance. */
export function refreshInChains(cast: Cast): Habit {
  const { witness, people, chains } = cast;
  const busy = new Set<Member>();
  const lostSince = new Map<Member, number>();
  const step = async (member: Member, turn: number): Promise<void> => {
    const instance = witness.instances[turn % 2]!;
    const { refreshToken } = member.tokens;
    const answer = await people.refresh(instance, refreshToken);
    if (answer.status === 200) {
      member.tokens = { ...member.tokens, ...tokensOf(answer) };
      lostSince.delete(member);
      return;
    }
    if (answer.status === 503 || answer.status === 0) {
      if (!lostSince.has(member)) lostSince.set(member, answer.askedAt);
      return;
    }
    const lost = lostSince.get(member);
    const lostForMs = lost === undefined ? 0 : performance.now() - lost;
    if (!cast.isExcused && lostForMs < GRACE_MS)
      witness.findings.add(
        `a refresh token in force was answered ${answer.status}`,
        `${answer.code}, instance ${instance.name}, answers lost for ${Math.round(lostForMs)} ms`,
      );
    lostSince.delete(member);
    await cast.signInAgain(instance, member);
  };
  return {
    everyMs: 120,
    once: async (turn) => {
      const member = chains[turn % chains.length]!;
      if (busy.has(member)) return;
      busy.add(member);
      await step(member, (turn / chains.length) | 0).finally(() => busy.delete(member));
    },
  };
}

/** Thieves present refresh tokens that were exchanged twice: never 200, and an alarm ends every session of the user. */
export const presentSpentTokens = (cast: Cast): Habit => ({
  everyMs: 600,
  once: async (turn) => {
    const { witness, people, spent } = cast;
    const { tokens, first } = spent[turn % spent.length]!;
    const { status, code } = await people.refresh(witness.instances[(turn >> 2) % 2]!, first);
    if (status === 200) witness.findings.add('a refresh token that was exchanged twice was taken');
    if (code === 'refresh_token_reused') cast.bury(tokens, 'was ended by the alarm');
  },
});
