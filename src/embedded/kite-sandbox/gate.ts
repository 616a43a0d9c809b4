/** Lets calls through, or has them wait. */
export class Gate {
  private waiting?: (() => void)[];

  /** Until it is released, or shut anew. */
  shut(): { held(): number; release(): void } {
    this.open();
    const waiting: (() => void)[] = [];
    this.waiting = waiting;
    return {
      held: () => waiting.length,
      release: () => {
        if (this.waiting === waiting) this.open();
      },
    };
  }

  open(): void {
    const waiting = this.waiting?.splice(0) ?? [];
    this.waiting = undefined;
    for (const go of waiting) go();
  }

  async pass(): Promise<void> {
    const { waiting } = this;
    if (waiting) await new Promise<void>((resolve) => waiting.push(resolve));
  }
}
