import { CHAIN_START } from '../../infra/events/chain-hash';
import { Seal } from '../seals/seal';
import { addMonths } from '../seals/utc-day';
import { ChainPlace } from './proof-source';

export interface DayRange {
  from: string | null;
  to: string | null;
}

/** Links are kept a month longer than events (drop_audit_months in migration 0012). */
export const linksDroppedBefore = (droppedBefore: string | null): string | null =>
  droppedBefore && addMonths(droppedBefore, -1);

/**
 * Where a proof of these days begins: behind the newest seal before the first of them, or of those that are still there.
 * @param seals oldest first.
 */
export function startOfProof(
  seals: readonly Seal[],
  from: string | null,
  droppedBefore: string | null,
): ChainPlace {
  const dropped = linksDroppedBefore(droppedBefore);
  const first = [from, dropped].reduce((later, day) => (day && (!later || day > later) ? day : later), null);
  const seal = first ? seals.findLast(({ day }) => day < first) : undefined;
  return seal ? { position: seal.lastPosition, hash: seal.head } : { position: 0, hash: CHAIN_START };
}
