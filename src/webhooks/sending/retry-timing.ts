const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Milliseconds until a delivery is tried again after so many attempts: 5 s, doubled each time, up to an hour. */
export const retryDelay = (attempts: number): number => spread(5 * SECOND, attempts, HOUR);

/** Milliseconds for which a receiver is left alone after so many failures in a row: 1 s, doubled, up to five minutes. */
export const laneRest = (failures: number): number => spread(SECOND, failures, 5 * MINUTE);

/** Up to a quarter less at random, so that what failed together is not tried together. */
function spread(first: number, times: number, longest: number): number {
  const wait = Math.min(first * 2 ** Math.min(times - 1, 20), longest);
  return Math.round(wait * (1 - Math.random() / 4));
}

/**
 * Milliseconds that a `Retry-After` asks for (RFC 9110 section 10.2.3: seconds, or a date), a second to an hour.
 * @returns undefined where it says nothing that can be understood.
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const wait = /^\d{1,9}$/.test(header) ? Number(header) * SECOND : Date.parse(header) - now;
  if (Number.isNaN(wait)) return undefined;
  return Math.min(Math.max(wait, SECOND), HOUR);
}
