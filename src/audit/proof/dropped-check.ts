import { EventCheck, laterDay } from './event-check';
import { Findings } from './finding';
import { startOfProof } from './proof-range';
import { CannotCheck, ProofStart } from './proof-source';

/** What is not there because it was dropped, by which word. */
export class DroppedCheck {
  private readonly inChain: string | null;
  private readonly said: string | null;
  private readonly proved: string | null;

  /** @param sealedUntil position of the last link that a seal covers. */
  constructor(
    private readonly start: ProofStart,
    private readonly events: EventCheck,
    sealedUntil: number,
  ) {
    this.inChain = events.saidUntil(Infinity);
    this.said = laterDay(this.inChain, start.droppedElsewhere);
    // Behind its last seal anybody can put into a file what they like; into a database only who has all rights on it.
    this.proved = this.isFile ? events.saidUntil(sealedUntil) : this.inChain;
  }

  /** Links go with their events, and so does the beginning of the proof: only as far as it is said that they went. */
  check(findings: Findings): void {
    this.events.end(this.said, this.proved);
    const { position } = this.start.start;
    const believed = this.startBy(this.said);
    if (believed >= position) return;
    findings.add({
      kind: 'removed',
      position: believed + 1,
      day: null,
      eventId: null,
      detail: `it begins after position ${position}, and no event says that what was before was dropped`,
    });
  }

  /** Whether all that is not there was dropped as far as that is proved. */
  get isProved(): boolean {
    return this.events.doubted === 0 && this.startBy(this.proved) >= this.start.start.position;
  }

  /**
   * A file that whoever wrote it could have made so of one from which nothing was dropped. Everything else is as it was.
   * @throws CannotCheck
   */
  requireProof(): void {
    if (!this.isFile || this.isProved) return;
    const why =
      this.said === this.inChain
        ? 'what says that they were dropped is an event that no seal covers: check it with --seals that were made since, or export again when its day is sealed'
        : 'only its header says that they were dropped, which is not signed: export again with a --to that reaches the event audit.dropped';
    throw new CannotCheck(
      `this file proves nothing of before ${this.said}: events are not there, and ${why}. Nothing else is wrong.`,
    );
  }

  private get isFile(): boolean {
    return this.start.end?.of === 'export';
  }

  private startBy(before: string | null): number {
    return startOfProof(this.start.seals, this.start.from, before).position;
  }
}
