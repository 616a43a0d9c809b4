import { Habit, Witness } from '../witness';

/** What needs no store: gateways go on checking tokens, and nobody restarts a process that runs. Always 200. */
export const askStoreless = (witness: Witness): Habit => ({
  everyMs: 250,
  once: async (turn) => {
    const instance = witness.instances[turn % 2]!;
    const path = turn % 4 < 2 ? '/.well-known/jwks.json' : '/health/live';
    const { status, wasAbsent } = await witness.ask(instance, { method: 'GET', path });
    if (status !== 200 && !wasAbsent)
      witness.findings.add(`${path} answered ${status}`, `instance ${instance.name}`);
  },
});

/** 200 or 503, but an answer. */
export const askReadiness = (witness: Witness): Habit => ({
  everyMs: 500,
  once: async (turn) => {
    const instance = witness.instances[turn % 2]!;
    const { status, wasAbsent } = await witness.ask(instance, { method: 'GET', path: '/health/ready' });
    if (status !== 200 && status !== 503 && !wasAbsent)
      witness.findings.add(`/health/ready answered ${status}`, `instance ${instance.name}`);
  },
});
