import { styleText } from 'node:util';

/** Tells a developer, line by line, what the start has done and how long it took. */
export function tellStep(step: string, milliseconds?: number): void {
  if (milliseconds === undefined) return say(`${styleText('yellow', '…')} ${step}`);
  const seconds = `${(milliseconds / 1000).toFixed(2)} s`;
  say(`${styleText('green', '✓')} ${step}  ${styleText('dim', seconds)}`);
}

/** Runs a step, then tells it with its time. @param describe what was done; nothing is told without. */
export async function step<T>(
  run: () => Promise<T>,
  describe: (result: T) => string | undefined,
): Promise<T> {
  const begin = performance.now();
  const result = await run();
  const description = describe(result);
  if (description) tellStep(description, performance.now() - begin);
  return result;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
