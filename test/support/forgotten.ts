import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_MS } from '../../src/infra/near/near-lease';

/** After Redis was taken away: for so long a process may answer from memory. */
export const forgotten = (): Promise<void> => sleep(LEASE_MS);
