import { CanonicalEvent, NO_EVENT } from '../../infra/events/chain-hash';
import { personalDigest } from '../../infra/events/personal-data';
import { addDays, isDay } from '../seals/utc-day';
import { Finding, Findings } from './finding';
import { ChainLink } from './proof-source';

/** Times along the chain go back by the length of a transaction, and by what clocks differ. */
const MOST_BACK_DAYS = 31;
const GONE = 'the event of this link is not there';

/** Checks what belongs to an event beside the event itself. */
export class EventCheck {
  events = 0;
  /** Digests whose data is gone, as it may. */
  erased = 0;
  /** Links whose event was dropped on purpose. */
  dropped = 0;
  /** Of these, such as only a word says that nothing proves. */
  doubted = 0;
  /** Before which days events were dropped on purpose, as events of the chain say: each later than those before it. */
  private readonly words: { before: string; position: number }[] = [];
  /** Links without their event, by the event's month: only what comes later says whether it was dropped. */
  private readonly gone = new Map<string, { first: Finding; count: number }>();
  private newestDay = '';

  constructor(private readonly findings: Findings) {}

  /** The next link. */
  link(link: ChainLink): void {
    const { event } = link;
    if (!event) return this.missing(link);
    this.events++;
    const day = event.timestamp.slice(0, 10);
    if (day > this.newestDay && isDay(day)) this.newestDay = day;
    if (event.event_type === 'audit.dropped') this.word(droppedBefore(event), link.position);
    if (!link.personal) return;
    const digests = (event.personal_digests ?? {}) as Record<string, unknown>;
    for (const [part, digest] of Object.entries(digests)) {
      const stored = link.personal.find((personal) => personal.part === part);
      if (!stored) this.erased++;
      else if (personalDigest(stored.salt, stored.content) !== digest)
        this.findings.add({
          ...placeOf(link),
          kind: 'changed',
          detail: `the personal data of its ${part} is not what the event has a digest of`,
        });
    }
  }

  /** Before which day events were dropped on purpose, as events of the chain up to a position say. */
  saidUntil(position: number): string | null {
    return this.words.findLast((word) => word.position <= position)?.before ?? null;
  }

  /**
   * Tells what was dropped on purpose from what was removed.
   * @param said before which day they were dropped. @param proved the same, as far as it is proved.
   */
  end(said: string | null, proved: string | null): void {
    for (const [month, { first, count }] of this.gone) {
      if (!isBefore(month, said)) this.findings.add(first, count);
      else {
        this.dropped += count;
        if (!isBefore(month, proved)) this.doubted += count;
      }
    }
  }

  private word(before: string | null, position: number): void {
    const last = this.words.at(-1)?.before ?? null;
    if (before !== null && laterDay(last, before) !== last) this.words.push({ before, position });
  }

  private missing(link: ChainLink): void {
    // The chain itself says so.
    if (link.eventHash.equals(NO_EVENT)) return;
    const finding: Finding = { ...placeOf(link), kind: 'removed', detail: GONE };
    // Nothing but the link says of what time it was, and the link's hash does not cover that.
    const isLate = this.newestDay !== '' && link.timestamp < addDays(this.newestDay, -MOST_BACK_DAYS);
    if (isLate || !isDay(link.timestamp.slice(0, 10))) return this.findings.add(finding);
    const month = link.timestamp.slice(0, 7);
    const known = this.gone.get(month);
    if (known) known.count++;
    else this.gone.set(month, { first: finding, count: 1 });
  }
}

const isBefore = (month: string, day: string | null): boolean => day !== null && month < day.slice(0, 7);

/** The later of two days; what is no day does not count. */
export function laterDay(day: string | null, other: string | null): string | null {
  return other !== null && isDay(other) && (!day || other > day) ? other : day;
}

/** Whoever invents such an event says at least nothing of what came after it. */
function droppedBefore({ data, timestamp }: CanonicalEvent): string | null {
  const { before } = data as { before?: unknown };
  return typeof before === 'string' && before <= timestamp ? before : null;
}

const placeOf = ({ position, day, eventId }: ChainLink): Omit<Finding, 'kind' | 'detail'> => ({
  position,
  day,
  eventId,
});
