import { CanonicalEvent } from '../../infra/events/chain-hash';
import { PersonalPart } from '../../infra/events/personal-data';
import { AuditKey } from '../seals/audit-key';
import { Seal } from '../seals/seal';
import { Findings } from './finding';

/** What an event keeps a digest of; only in a database, never in a file. */
export interface StoredPersonalData {
  part: PersonalPart;
  salt: Buffer;
  content: Record<string, unknown>;
}

/** A link of the chain with its event. */
export interface ChainLink {
  position: number;
  day: string;
  eventId: string;
  /** As in `CanonicalEvent`. */
  timestamp: string;
  eventHash: Buffer;
  hash: Buffer;
  /** null where it is gone. */
  event: CanonicalEvent | null;
  /** Undefined where the source does not hold any. */
  personal?: readonly StoredPersonalData[];
}

export interface ChainPlace {
  position: number;
  hash: Buffer;
}

export interface ProofStart {
  /** First and last day that was asked for, null: without bound. */
  from: string | null;
  to: string | null;
  /** Events before this day were dropped on purpose: what the source claims, and events of the chain have to say too. */
  droppedBefore: string | null;
  /**
   * The same, as events say that are not among the links that follow: they wait for theirs, or are after the range. Of a
   * file that ends before the newest link: as its header says they do, which proves nothing.
   */
  droppedElsewhere: string | null;
  keys: AuditKey[];
  /** Oldest first. */
  seals: Seal[];
  /** The place before the first link that follows. */
  start: ChainPlace;
  /** Seals of later days may be missing though they were kept elsewhere; null: none may. */
  end: ProofRangeEnd | null;
  /** About how many links follow, for the progress. */
  expected: number;
}

export interface ProofRangeEnd {
  /** Empty: before any day. */
  day: string;
  /** The links of days up to this are all there, though seals of them may not be. */
  linkedUntil: string;
  /** Whoever asks has given the end of a range; that of an export is what the file says, or where it stops. */
  of: 'range' | 'export';
}

export interface ProofEnd {
  /** Where the chain says that it ends; null where that is not known, or not part of the range. */
  head: ChainPlace | null;
  /** Events that wait for their link. */
  unlinked: number;
}

/** Where the chain is read from: a database or a file. Called in this order, each once; each adds what it finds wrong. */
export interface ProofSource {
  begin(findings: Findings): Promise<ProofStart>;
  /** In order of position, as far as the source keeps it. */
  links(findings: Findings): AsyncIterable<readonly ChainLink[]>;
  end(findings: Findings): Promise<ProofEnd>;
}

/** It is no export of ours, a server is away, a key cannot be read: nothing is proved, nothing is refuted. */
export class CannotCheck extends Error {
  override readonly name = 'CannotCheck';
}
