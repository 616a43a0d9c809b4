import { inspect } from 'node:util';
import { AppError } from '../../src/common/app-error';

/** A machine with other things to do may be so much later. */
const SLACK_MS = 5_000;

/**
 * Expects `unavailable` within the deadline, for this reason, and nowhere in the whole error one of the secrets.
 * @returns Retry-After, in seconds.
 */
export async function expectUnavailable(
  asked: Promise<unknown>,
  cause: RegExp,
  { milliseconds, secrets }: { milliseconds: number; secrets: string[] },
): Promise<number> {
  const begin = performance.now();
  const error = await asked.then(
    () => 'an answer',
    (thrown: unknown) => thrown,
  );
  const took = performance.now() - begin;
  if (!(error instanceof AppError)) throw new Error(`expected unavailable, not ${inspect(error)}`);
  expect(error.code).toBe('unavailable');
  expect((error.cause as Error).message).toMatch(cause);
  expect(took).toBeLessThan(milliseconds + SLACK_MS);
  expect(error.retryAfter).toBeGreaterThanOrEqual(1);
  expectWithout(inspect(error, { depth: Infinity, showHidden: true }), secrets);
  return error.retryAfter!;
}

export function expectWithout(text: string, secrets: string[]): void {
  expect(secrets.length).toBeGreaterThan(0);
  expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
}
