const DAY_MS = 86_400_000;
/** 06:00 Asia/Kolkata is half past midnight in UTC: India has no summer time. */
const SIX_IST_MS = 30 * 60_000;

/** A number for the time from one 06:00 Asia/Kolkata to the next: what began on one such day is over on the next. */
export const loginDay = (at: number): number => Math.floor((at - SIX_IST_MS) / DAY_MS);
