/**
 * Milliseconds that each of two calls takes, measured in turns so that a busy machine slows both.
 * @param settle waits until what a call has set off is done, so that the next one is not measured with it.
 */
export async function measureInTurns(
  times: number,
  first: () => PromiseLike<unknown>,
  second: () => PromiseLike<unknown>,
  settle: () => Promise<void> = async () => {},
): Promise<[number[], number[]]> {
  const took: [number[], number[]] = [[], []];
  await Promise.all([first(), second()]); // Connections, compiled code, dictionaries.
  for (let i = 0; i < 2 * times; i++) {
    await settle();
    const which = i % 2 === 0 ? 0 : 1;
    const start = performance.now();
    await (which === 0 ? first() : second());
    took[which].push(performance.now() - start);
  }
  return took;
}

/** Nobody can tell the two apart by waiting: the ranges overlap and the medians are near each other. */
export function expectSameTime([a, b]: [number[], number[]]): void {
  expect(Math.min(...a)).toBeLessThan(Math.max(...b));
  expect(Math.min(...b)).toBeLessThan(Math.max(...a));
  const [fast, slow] = [median(a), median(b)].sort((x, y) => x - y) as [number, number];
  expect(slow / fast).toBeLessThan(1.3);
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
