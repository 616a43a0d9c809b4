/**
 * What can be wrong. `changed`: something is there and says something else than it did; `removed`, `inserted`,
 * `reordered`: of events and links; `seal`: a signature, or what it covers; `truncated`: the file ends before its end.
 */
export const FINDING_KINDS = ['changed', 'removed', 'inserted', 'reordered', 'seal', 'truncated'] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  kind: FindingKind;
  /** In the chain; null for what has no link: it counts as after all that has one. */
  position: number | null;
  /** UTC, `YYYY-MM-DD`. */
  day: string | null;
  eventId: string | null;
  /** In words. */
  detail: string;
}

/** Keeps the first of all findings in the order of the chain, and counts the rest. */
export class Findings {
  first?: Finding;
  private readonly counts = new Map<FindingKind, number>();

  /** @param count how many such there are; the finding is the first of them. */
  add(finding: Finding, count = 1): void {
    this.counts.set(finding.kind, (this.counts.get(finding.kind) ?? 0) + count);
    if (!this.first || place(finding) < place(this.first)) this.first = finding;
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** How many of each kind there are. */
  byKind(): [FindingKind, number][] {
    return FINDING_KINDS.flatMap((kind) => {
      const count = this.counts.get(kind);
      return count ? [[kind, count] as [FindingKind, number]] : [];
    });
  }
}

const place = ({ position }: Finding): number => position ?? Infinity;
