import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Of Linux' control groups: version 2, and 1. A container sees its own at these paths. */
const V2 = '/sys/fs/cgroup/cpu.max';
const V1 = ['/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us'] as const;

/** The cores that this process may keep busy: those it may run on, or the share of them that its container has. */
export const cores = Math.max(1, Math.min(availableParallelism(), Math.ceil(quota() ?? Infinity)));

function quota(): number | undefined {
  const words = read(V2)?.split(' ') ?? V1.map(read);
  return coresOf(words[0], words[1]);
}

/** @param quota of microseconds of computing in a period; `max` or -1 where there is none. */
export function coresOf(quota: string | undefined, period: string | undefined): number | undefined {
  const share = Number(quota) / Number(period);
  return share > 0 ? share : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
