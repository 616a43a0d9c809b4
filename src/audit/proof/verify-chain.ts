import { AuditKey } from '../seals/audit-key';
import { addDays } from '../seals/utc-day';
import { ChainCheck } from './chain-check';
import { DroppedCheck } from './dropped-check';
import { EventCheck } from './event-check';
import { Findings } from './finding';
import { KeptSeals } from './kept-seals';
import { startOfProof } from './proof-range';
import { CannotCheck, ChainPlace, ProofRangeEnd, ProofSource, ProofStart } from './proof-source';
import { SealCheck } from './seal-check';
import { TrustedKeys } from './trusted-keys';

export interface ProofReport {
  findings: Findings;
  from: string | null;
  to: string | null;
  events: number;
  links: number;
  seals: number;
  /** Links after the last that a seal covers, and the first day that has none; null where no day was ever sealed. */
  unsealed: number;
  unsealedSince: string | null;
  /** Events that wait for their link. */
  unlinked: number;
  /** Digests whose personal data is gone, as it may. */
  erased: number;
  /** Links whose event was dropped by retention. */
  dropped: number;
  /**
   * Whether an event among these links says so, of a file one that a seal covers: of all that is not there, links too. Or
   * only one that waits for its link, or is after the range.
   */
  isDroppedProved: boolean;
  /** Of seals that were kept elsewhere: undefined where each is of a day that was looked at. */
  kept?: KeptReport;
}

export interface KeptReport {
  /** After the end of this they are not there, and nobody has asked for them. */
  endOf: ProofRangeEnd['of'];
  notLookedAt: number;
  /** The last day that a seal proves; null: none, of a range before the first. */
  provedUntil: string | null;
}

export interface ProofOptions {
  /** Instead of those of the source, which whoever changed the rest may have changed too. */
  keys?: readonly AuditKey[];
  /** JWS of seals that were kept elsewhere. */
  kept?: readonly string[];
  onProgress?: (done: number, expected: number) => void;
}

/**
 * Checks every event, link and seal of a source in one pass. Its memory is constant, but for some thirty bytes for each
 * event of a file (SeenIds). What is wrong is in the report.
 * @throws CannotCheck; Error where the source cannot be read
 */
export async function verifyChain(
  source: ProofSource,
  { keys, kept = [], onProgress }: ProofOptions = {},
): Promise<ProofReport> {
  const findings = new Findings();
  const start = await source.begin(findings);
  const chain = new ChainCheck(start.start, findings);
  const events = new EventCheck(findings);
  const seals = new SealCheck(start.seals, findings);
  const keptSeals = new KeptSeals(findings);
  const trusted = await TrustedKeys.of(keys ?? start.keys);
  await seals.checkSignatures(trusted);
  await keptSeals.check(kept, start.seals, start.end, trusted);
  checkStart(start, findings);
  seals.begin(start.start.position);
  keptSeals.begin(start.start);
  for await (const batch of source.links(findings)) {
    for (const link of batch) {
      if (chain.link(link)) {
        seals.link(link);
        keptSeals.link(link);
      }
      events.link(link);
    }
    onProgress?.(chain.links, start.expected);
  }
  const { position } = chain.end;
  // What a file says of its range is not signed: it can have seals of days whose links it has not.
  const last = keptSeals.fitting ?? start.seals.findLast(({ lastPosition }) => lastPosition <= position);
  const dropped = new DroppedCheck(start, events, last?.lastPosition ?? 0);
  dropped.check(findings);
  const { head, unlinked } = await source.end(findings);
  seals.end(chain.end.position, start.to);
  keptSeals.end(chain.end.position);
  if (head) checkHead(chain, head, findings);
  chain.finish();
  const { notLookedAt } = keptSeals;
  // A file may be older than every seal, or somebody took them away and wrote what they liked.
  if (start.end?.of === 'export' && notLookedAt > 0 && !last && findings.total === 0)
    throw new CannotCheck(
      'no seal proves any of this export: those that were kept are of days after its end',
    );
  if (findings.total === 0) dropped.requireProof();
  return {
    findings,
    from: start.from,
    to: start.to,
    events: events.events,
    links: chain.links,
    seals: start.seals.length,
    unsealed: Math.max(0, position - Math.max(last?.lastPosition ?? 0, start.start.position)),
    unsealedSince: last ? addDays(last.day, 1) : null,
    unlinked,
    erased: events.erased,
    dropped: events.dropped,
    isDroppedProved: dropped.isProved,
    kept:
      start.end && notLookedAt > 0
        ? { endOf: start.end.of, notLookedAt, provedUntil: last?.day ?? null }
        : undefined,
  };
}

/** A file could begin anywhere: it has to begin where a seal, or the beginning of the chain, says. */
function checkStart({ seals, from, droppedBefore, start }: ProofStart, findings: Findings): void {
  const due = startOfProof(seals, from, droppedBefore);
  if (due.position === start.position && due.hash.equals(start.hash)) return;
  findings.add({
    kind: 'removed',
    position: Math.min(due.position, start.position) + 1,
    day: from,
    eventId: null,
    detail: `it begins after position ${start.position}, and should after position ${due.position}`,
  });
}

/** The chain's head is written down elsewhere too. */
function checkHead(chain: ChainCheck, head: ChainPlace, findings: Findings): void {
  const { position, hash } = chain.end;
  const at = { day: chain.lastDay, eventId: null };
  if (position < head.position)
    findings.add({
      ...at,
      kind: 'removed',
      position: position + 1,
      detail: `the chain ends at position ${position}, and should at ${head.position}`,
    });
  else if (position > head.position)
    findings.add({
      ...at,
      kind: 'inserted',
      position: head.position + 1,
      detail: `the chain should end at position ${head.position}`,
    });
  else if (hash && !hash.equals(head.hash))
    findings.add({
      ...at,
      kind: 'changed',
      position,
      detail: 'the hash of the last link is not the one of the chain',
    });
}
