import { CHAIN_START } from '../../infra/events/chain-hash';
import { Seal } from '../seals/seal';
import { addMonths } from '../seals/utc-day';
import { HeaderLine } from './export-format';
import { ChainPlace, ProofRangeEnd } from './proof-source';
import { CLOCK_LEEWAY_SECONDS } from './trusted-keys';

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

/**
 * Up to which day an export has all seals, and all links. Nothing in it is signed that says so: the report tells what this
 * leaves out. A day that was over when it was written has all its links, but was perhaps not sealed yet. Days of links are
 * by PostgreSQL's clock, and just before midnight one may be on its way: only when other clocks agree is a day over.
 */
export function endOfExport(
  { to, exported_at: exportedAt }: HeaderLine,
  seals: readonly Seal[],
): ProofRangeEnd {
  const agreed = new Date(Date.parse(exportedAt) - CLOCK_LEEWAY_SECONDS * 1000);
  const isOver = to !== null && to < agreed.toISOString().slice(0, 10);
  return { day: seals.at(-1)?.day ?? '', linkedUntil: isOver ? to : '', of: 'export' };
}
