/** A data key in the clear, in memory of its own. It is zeroed when the last of its holders lets go of it. */
export class PlainKey {
  constructor(
    private readonly bytes: Buffer,
    private holders: number,
  ) {}

  hold(): this {
    this.holders++;
    return this;
  }

  release(): void {
    if (--this.holders === 0) this.bytes.fill(0);
  }

  /** @param work must neither keep the key nor wait for anything. @throws what it throws. */
  use<T>(work: (bytes: Uint8Array) => T): T {
    // A zeroed key would encrypt as readily as any other.
    if (this.holders <= 0) throw new Error('a data key was used after its end');
    return work(this.bytes);
  }
}
