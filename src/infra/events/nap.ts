/** The rest between two rounds of a loop, which somebody may end early; also somebody who comes before it has begun. */
export class Nap {
  private isOver = false;
  private end = (): void => undefined;

  async sleep(milliseconds: number): Promise<void> {
    if (!this.isOver) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.end = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.isOver = false;
  }

  wake(): void {
    this.isOver = true;
    this.end();
  }
}
