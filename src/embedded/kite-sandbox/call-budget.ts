const CALLS = 10;
const WINDOW_MS = 1_000;
/** So many API keys, made-up ones too, and those that are silent are forgotten. */
const MOST_KEYS = 1_000;

/** Ten calls in a second for each API key. */
export class CallBudget {
  private readonly spent = new Map<string, number[]>();

  /** @param isLimited false: no limit, for measurements. */
  constructor(
    private readonly now: () => number,
    private readonly isLimited: boolean,
  ) {}

  /** @returns false where there is none left. */
  spend(apiKey: string): boolean {
    if (!this.isLimited) return true;
    const since = this.now() - WINDOW_MS;
    const recent = (this.spent.get(apiKey) ?? []).filter((at) => at > since);
    if (recent.length >= CALLS) return false;
    if (this.spent.size >= MOST_KEYS) this.forgetBefore(since);
    this.spent.set(apiKey, [...recent, this.now()]);
    return true;
  }

  private forgetBefore(since: number): void {
    for (const [apiKey, times] of this.spent) if (times.at(-1)! <= since) this.spent.delete(apiKey);
  }
}
