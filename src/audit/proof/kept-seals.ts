import { decodeProtectedHeader } from 'jose';
import { z } from 'zod';
import { Seal, sealDigest } from '../seals/seal';
import { addDays, isDay } from '../seals/utc-day';
import { Findings } from './finding';
import { ChainLink, ChainPlace, ProofRangeEnd } from './proof-source';
import { TrustedKeys } from './trusted-keys';

const keptPayload = z.object({
  day: z.string().refine(isDay),
  first_position: z.int().min(1),
  last_position: z.int().min(0),
  head: z.string(),
  previous: z.string().nullable(),
});

type KeptSeal = Seal & { previous: string | null };
type LaterSeal = KeptSeal & { isVerified: boolean };

/**
 * Seals that were kept elsewhere: each must still be the one of its day. Those of days after the end of what is checked
 * are not there; whoever has made that end can have taken them away, so links that they cover are compared with them.
 */
export class KeptSeals {
  /** The newest that the links fit; what it covers is as it was. */
  fitting: Seal | null = null;
  /** Of days after the end, in order of position. */
  private later: LaterSeal[] = [];
  /** Of these days links can't be missing. */
  private linkedUntil = '';
  /** The first of them that no link has come up to yet. */
  private next = 0;
  private fittings = 0;
  private toldDay: string | null = null;

  constructor(private readonly findings: Findings) {}

  /** How many are of days after the end, and cover what is not there, or by keys that are not. */
  get notLookedAt(): number {
    return this.later.length - this.fittings;
  }

  /** @param kept JWS. @param present the seals that are there, oldest first. @param end null: none may be missing. */
  async check(
    kept: readonly string[],
    present: readonly Seal[],
    end: ProofRangeEnd | null,
    keys: TrustedKeys,
  ): Promise<void> {
    this.linkedUntil = end?.linkedUntil ?? '';
    const there = new Set(present.map(({ jws }) => jws));
    // Who keeps them by appending all seals every day has most of them often.
    for (const jws of new Set(kept)) {
      if (there.has(jws)) continue;
      const seal = read(jws);
      if (!seal || !end || seal.day <= end.day) {
        this.report(seal, 'a seal that was kept elsewhere is not there');
        continue;
      }
      // An older export can't have the keys of after it. What was kept is not in the hands of who made the export.
      const isVerified = keys.has(seal.kid);
      const payload = isVerified && (await keys.verified(seal));
      if (typeof payload === 'string') this.report(seal, `a seal that was kept elsewhere: ${payload}`);
      else if (isContradiction(seal, present.at(-1)))
        this.report(seal, 'a seal that was kept elsewhere does not go on from the last one that is there');
      else this.later.push({ ...seal, isVerified });
    }
    this.later.sort((a, b) => a.lastPosition - b.lastPosition || (a.day < b.day ? -1 : 1));
  }

  /** @param start the place before the first link: it can be the end of the chain already. */
  begin({ position, hash }: ChainPlace): void {
    this.passed(position);
    this.compare(position, hash, null);
  }

  /** The next link in order of position. */
  link({ position, day, hash, eventId }: ChainLink): void {
    if (this.later.length === 0) return;
    this.passed(position);
    const [before, seal] = [this.later[this.next - 1], this.later[this.next]];
    const isLate = before && day <= before.day;
    const isEarly = seal && (position < seal.firstPosition ? day >= seal.day : day !== seal.day);
    // Once for each day: one change can move all that follow.
    if ((isLate || isEarly) && day !== this.toldDay) {
      const of = isLate ? before : seal!;
      this.report(of, `position ${position} is of ${day}, which is not what was sealed`, position, eventId);
      this.toldDay = day;
    }
    this.compare(position, hash, eventId);
  }

  /** After the last link. @param lastPosition of the chain. */
  end(lastPosition: number): void {
    // A link whose hash was another is told of already, and what was skipped has a gap, which the chain tells of.
    const cut = this.later.slice(this.next).find(({ day }) => day <= this.linkedUntil);
    if (!cut) return;
    this.findings.add({
      kind: 'removed',
      position: lastPosition + 1,
      day: cut.day,
      eventId: null,
      detail: `the chain ends at position ${lastPosition}, a seal of ${cut.day} that was kept elsewhere at ${cut.lastPosition}`,
    });
  }

  /** Skips what ends before a position: its end was not there. */
  private passed(position: number): void {
    while (this.next < this.later.length && this.later[this.next]!.lastPosition < position) this.next++;
  }

  /** A day without events ends where the one before does. */
  private compare(position: number, hash: Buffer, eventId: string | null): void {
    for (; this.later[this.next]?.lastPosition === position; this.next++) {
      const seal = this.later[this.next]!;
      if (!hash.equals(seal.head))
        this.report(seal, 'the chain is not the one that was sealed', position, eventId);
      else if (seal.isVerified) {
        this.fitting = seal;
        this.fittings++;
      }
    }
  }

  private report(
    seal: Seal | null,
    detail: string,
    position = seal?.lastPosition ?? null,
    eventId: string | null = null,
  ): void {
    this.findings.add({ kind: 'seal', position, day: seal?.day ?? null, eventId, detail });
  }
}

/** What a kept seal says of itself. */
function read(jws: string): KeptSeal | null {
  try {
    const { kid } = decodeProtectedHeader(jws);
    const text = Buffer.from(jws.split('.')[1]!, 'base64url').toString('utf8');
    const payload = keptPayload.parse(JSON.parse(text));
    return {
      day: payload.day,
      firstPosition: payload.first_position,
      lastPosition: payload.last_position,
      head: Buffer.from(payload.head, 'hex'),
      kid: kid ?? '',
      jws,
      previous: payload.previous,
    };
  } catch {
    return null;
  }
}

/** Whether a later seal can't be of the chain that the last one there is of. */
function isContradiction(seal: KeptSeal, last: Seal | undefined): boolean {
  if (!last) return false;
  if (seal.firstPosition <= last.lastPosition) return true;
  return seal.day === addDays(last.day, 1) && seal.previous !== sealDigest(last.jws);
}
