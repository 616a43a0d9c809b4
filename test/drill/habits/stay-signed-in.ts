import { Cast } from '../cast';
import { Habit } from '../witness';

/** Members read their profiles and ask what they may do: 200, or 503. */
export const staySignedIn = (cast: Cast): Habit => ({
  everyMs: 100,
  once: async (turn) => {
    const { witness, living, people } = cast;
    const member = living[turn % living.length]!;
    const instance = witness.instances[(turn >> 2) % 2]!;
    const { accessToken, sessionId } = member.tokens;
    const { status, code } = await people.me(instance, accessToken);
    if (status === 200 || status === 503 || status === 0) return;
    // He may have signed in again meanwhile.
    if (member.tokens.sessionId !== sessionId) return;
    if (!cast.isExcused)
      witness.findings.add(`a living session was answered ${status}`, `${code}, instance ${instance.name}`);
    await cast.signInAgain(instance, member);
  },
});

/** Nobody holds `audit:read`: the answer is no, or 503. */
export const askPermission = (cast: Cast): Habit => ({
  everyMs: 300,
  once: async (turn) => {
    const { witness, living } = cast;
    const instance = witness.instances[turn % 2]!;
    const { status, body } = await witness.ask(instance, {
      method: 'POST',
      path: '/v1/authz/check',
      token: living[turn % living.length]!.tokens.accessToken,
      body: { permission: 'audit:read' },
    });
    if (status === 200 && body.allowed !== false)
      witness.findings.add('a permission that nobody holds was granted', JSON.stringify(body));
  },
});
