/** What was not as promised: the same thing once, with how often it happened and how it was the first time. */
export class Findings {
  private readonly found = new Map<string, { times: number; detail: string }>();

  add(what: string, detail = ''): void {
    const known = this.found.get(what);
    if (known) known.times++;
    else this.found.set(what, { times: 1, detail });
  }

  texts(): string[] {
    return [...this.found].map(
      ([what, { times, detail }]) =>
        what + (times > 1 ? ` (${times} times)` : '') + (detail ? `: ${detail}` : ''),
    );
  }
}
