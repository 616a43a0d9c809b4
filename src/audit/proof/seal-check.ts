import { Seal, sealDigest } from '../seals/seal';
import { addDays } from '../seals/utc-day';
import { Findings } from './finding';
import { ChainLink } from './proof-source';
import { TrustedKeys } from './trusted-keys';

/** Checks the seals: each by itself and against the one before, then the chain against them. */
export class SealCheck {
  private next = 0;
  /** The wrong day that was last told of. */
  private toldDay: string | null = null;

  constructor(
    /** Oldest first. */
    private readonly seals: readonly Seal[],
    private readonly findings: Findings,
  ) {}

  async checkSignatures(keys: TrustedKeys): Promise<void> {
    for (const [index, seal] of this.seals.entries()) {
      const problem = await this.problemOf(seal, this.seals[index - 1], keys);
      if (problem) this.report(seal, problem);
    }
  }

  /** @param startsAt position before the first link: seals up to there have none to be compared with. */
  begin(startsAt: number): void {
    while (this.next < this.seals.length && this.seals[this.next]!.lastPosition <= startsAt) this.next++;
  }

  /** The next link in order of position. */
  link({ position, day, hash, eventId }: ChainLink): void {
    let seal = this.seals[this.next];
    while (seal && position > seal.lastPosition) {
      // Empty days, and a day whose last link is not there: `end` of the chain, or a gap, tells of that.
      seal = this.seals[++this.next];
    }
    if (seal && position >= seal.firstPosition) {
      if (day !== seal.day)
        this.wrongDay(
          seal,
          `position ${position} is of ${day}, the seal counts it to ${seal.day}`,
          day,
          position,
          eventId,
        );
      if (position === seal.lastPosition && !hash.equals(seal.head))
        this.report(seal, 'the chain is not the one that was sealed', position, eventId);
      return;
    }
    const last = this.seals.at(-1);
    if (!seal && last && day <= last.day)
      this.wrongDay(last, `a link into ${day}, which was sealed without it`, day, position, eventId);
  }

  /** @param lastPosition of the chain. @param to last day of the range. */
  end(lastPosition: number, to: string | null): void {
    const cut = this.seals
      .slice(this.next)
      .find((seal) => seal.lastPosition > lastPosition && (!to || seal.day <= to));
    if (!cut) return;
    const first = Math.max(cut.firstPosition, lastPosition + 1);
    this.findings.add({
      kind: 'removed',
      position: first,
      day: cut.day,
      eventId: null,
      detail: `the chain ends at position ${lastPosition}, the seal of ${cut.day} at ${cut.lastPosition}`,
    });
  }

  private async problemOf(seal: Seal, before: Seal | undefined, keys: TrustedKeys): Promise<string | null> {
    const payload = await keys.verified(seal);
    if (typeof payload === 'string') return payload;
    if (
      payload.day !== seal.day ||
      payload.first_position !== seal.firstPosition ||
      payload.last_position !== seal.lastPosition ||
      payload.head !== seal.head.toString('hex')
    )
      return 'the seal is not the one that was signed for this day';
    if (!before) return payload.previous === null ? null : 'the seal before it is missing';
    if (seal.day !== addDays(before.day, 1))
      return `no seal from ${addDays(before.day, 1)} to the day before`;
    if (payload.previous !== sealDigest(before.jws))
      return 'it was not made after the seal of the day before';
    if (seal.firstPosition !== before.lastPosition + 1)
      return 'its range does not begin where the day before ended';
    const isEmpty = seal.lastPosition < seal.firstPosition;
    return isEmpty && !seal.head.equals(before.head) ? 'a day without events has another head' : null;
  }

  /** Told once for all links in a row: a whole day may have been moved, or one link that moves all after it. */
  private wrongDay(seal: Seal, detail: string, day: string, position: number, eventId: string | null): void {
    if (day !== this.toldDay) this.report(seal, detail, position, eventId);
    this.toldDay = day;
  }

  private report(
    seal: Seal,
    detail: string,
    position = seal.lastPosition,
    eventId: string | null = null,
  ): void {
    this.findings.add({
      kind: 'seal',
      position,
      day: seal.day,
      eventId,
      detail: `seal of ${seal.day}: ${detail}`,
    });
  }
}
