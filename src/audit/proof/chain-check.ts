import { CanonicalEvent, eventHash, linkHash, NO_EVENT } from '../../infra/events/chain-hash';
import { Finding, FindingKind, Findings } from './finding';
import { ChainLink, ChainPlace } from './proof-source';

/** So many are looked at once more when all is known; of the rest the kind may be the nearest thing to it. */
const MOST_SUSPECTS = 1_000;
/** An event at a place that another had. */
const MOVED = 'its place in the chain was that of another';

interface Suspect {
  kind: FindingKind;
  detail: string;
  position: number;
  day: string;
  eventId: string | null;
  /** Absent for a gap. */
  link?: ChainLink;
  /** The hash before it; null after a gap. */
  before?: Buffer | null;
  /** What the event's hash is, where the link says another. */
  found?: Buffer;
  /** Of a gap. */
  until?: number;
}

/**
 * Goes along the chain: positions, days, and both hashes of each link. What does not fit is kept until the end, because
 * only what follows tells whether something was changed, taken out, put in or moved.
 */
export class ChainCheck {
  links = 0;
  lastDay: string | null = null;
  private readonly suspects: Suspect[] = [];
  private readonly gaps: Suspect[] = [];
  private position: number;
  private hash: Buffer | null;
  /** Positions that were written anew after something was put in (+) or taken out (-). */
  private shift = 0;
  private last?: { link: ChainLink; before: Buffer | null; suspect?: Suspect };

  constructor(
    start: ChainPlace,
    private readonly findings: Findings,
  ) {
    this.position = start.position;
    this.hash = start.hash;
  }

  /** Where the chain ends so far. @returns null for the hash where it can't be known. */
  get end(): { position: number; hash: Buffer | null } {
    return { position: this.position, hash: this.hash };
  }

  /** The next link. @returns whether it is at the chain's end now, and not one too many. */
  link(link: ChainLink): boolean {
    this.links++;
    if (link.position <= this.position) {
      this.late(link);
      return false;
    }
    if (link.position > this.position + 1) this.gap(link);
    const isEarlier = this.lastDay !== null && link.day < this.lastDay;
    const { suspect, follow } = this.check(link);
    if (isEarlier && !suspect) this.suspect('reordered', link, 'its day is before that of the link before');
    this.last = { link, before: this.hash, suspect };
    this.position = link.position;
    this.hash = follow;
    if (!isEarlier) this.lastDay = link.day;
    return true;
  }

  /** Says of everything that did not fit what it is. */
  finish(): void {
    for (const suspect of this.suspects) {
      if (suspect.kind === 'changed' && this.suspects.some((other) => isMoved(suspect, other))) {
        suspect.kind = 'reordered';
        suspect.detail = MOVED;
      }
      this.findings.add(findingOf(suspect));
    }
  }

  /** @returns what does not fit, and the hash that what follows should have been made after. */
  private check(link: ChainLink): { suspect?: Suspect; follow: Buffer } {
    const fits =
      !this.hash || linkHash(this.hash, link.position - this.shift, link.eventHash).equals(link.hash);
    if (fits && link.eventHash.equals(NO_EVENT)) {
      const detail = 'the event was removed, or made unreadable, before it had its link';
      return { suspect: this.suspect('removed', link, detail), follow: link.hash };
    }
    const found = link.event && hashOf(link.event);
    const isOfAnother =
      link.event && (link.event.event_id !== link.eventId || link.event.timestamp !== link.timestamp);
    if (found && (isOfAnother || !found.equals(link.eventHash))) {
      const suspect = this.suspect('changed', link, 'the event is not what its link was made of', found);
      return { suspect, follow: link.hash };
    }
    const follow = fits ? link.hash : this.fitsOtherwise(link);
    if (follow) return { follow };
    const detail = 'the link does not follow from the one before and its event';
    return { suspect: this.suspect('changed', link, detail), follow: link.hash };
  }

  /** Whether it fits once something before it is taken for moved, put in, or taken out; that is then what it is called. */
  private fitsOtherwise(link: ChainLink): Buffer | null {
    const { last } = this;
    if (!last?.before || !last.suspect) return null;
    const place = link.position - this.shift;
    if (linkHash(last.before, place - 1, link.eventHash).equals(link.hash)) {
      if (linkHash(link.hash, place, last.link.eventHash).equals(last.link.hash)) {
        rename(last.suspect, 'reordered', MOVED);
        return last.link.hash;
      }
      rename(last.suspect, 'inserted', 'the links around it were made without it');
      this.shift++;
      return link.hash;
    }
    if (linkHash(last.link.hash, place + 1, link.eventHash).equals(link.hash)) {
      rename(
        last.suspect,
        'removed',
        'the link before this one is not there, and the positions after it were changed',
      );
      this.shift--;
      return link.hash;
    }
    return null;
  }

  private gap(link: ChainLink): void {
    const first = this.position + 1;
    const until = link.position - 1;
    const missing = first === until ? `position ${first} is` : `positions ${first} to ${until} are`;
    const gap: Suspect = {
      kind: 'removed',
      detail: `${missing} not there`,
      position: first,
      day: link.day,
      eventId: null,
      until,
    };
    this.keep(gap);
    if (this.gaps.length < MOST_SUSPECTS) this.gaps.push(gap);
    // What it follows is not known.
    this.hash = null;
    this.last = undefined;
  }

  /** A position that has been passed: out of its order where it is missed, one too many elsewhere. */
  private late(link: ChainLink): void {
    const gap = this.gaps.find(({ position, until }) => link.position >= position && link.position <= until!);
    if (gap) return rename(gap, 'reordered', 'it comes after links that follow it');
    const { last } = this;
    const isGenuine =
      last?.suspect &&
      last.before &&
      link.position === last.link.position &&
      linkHash(last.before, link.position - this.shift, link.eventHash).equals(link.hash);
    if (isGenuine) {
      rename(last.suspect!, 'inserted', 'there is another link of this position, which fits');
      this.hash = link.hash;
      return;
    }
    this.suspect('inserted', link, 'there is another link of this position');
  }

  private suspect(kind: FindingKind, link: ChainLink, detail: string, found?: Buffer): Suspect {
    const { position, day, eventId } = link;
    return this.keep({ kind, detail, position, day, eventId, link, before: this.hash, found });
  }

  private keep(suspect: Suspect): Suspect {
    if (this.suspects.length < MOST_SUSPECTS) this.suspects.push(suspect);
    else this.findings.add(findingOf(suspect));
    return suspect;
  }
}

/** What has no canonical form was never what is linked. */
function hashOf(event: CanonicalEvent): Buffer {
  try {
    return eventHash(event);
  } catch {
    return Buffer.alloc(0);
  }
}

const findingOf = ({ kind, position, day, eventId, detail }: Suspect): Finding => ({
  kind,
  position,
  day,
  eventId,
  detail,
});

function rename(suspect: Suspect, kind: FindingKind, detail: string): void {
  suspect.kind = kind;
  suspect.detail = detail;
}

/** Whether one stands where the other belongs. */
function isMoved(suspect: Suspect, other: Suspect): boolean {
  if (suspect === other || !suspect.link || !other.link) return false;
  if (suspect.found) return suspect.found.equals(other.link.eventHash);
  if (!suspect.before) return false;
  const hash = linkHash(suspect.before, suspect.position, other.link.eventHash);
  return hash.equals(suspect.link.hash) || hash.equals(other.link.hash);
}
