const DAY_MS = 86_400_000;
/** 06:00 Asia/Kolkata is 00:30 UTC all the year: India has no summer time. */
const SIX_IN_INDIA_MS = 30 * 60_000;

/** The next 06:00 Asia/Kolkata after a moment: Kite ends every session then. */
export function nextSixInIndia(from: Date): Date {
  const days = Math.floor((from.getTime() - SIX_IN_INDIA_MS) / DAY_MS) + 1;
  return new Date(days * DAY_MS + SIX_IN_INDIA_MS);
}
