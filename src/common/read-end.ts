import { validationFailed } from './common.errors';
import { parseInstant } from './is-instant.decorator';

interface Bounds {
  /** Milliseconds since the Unix epoch. */
  now: number;
  /** How far ahead it may lie, in years of 366 days. Default: any time. */
  mostYears?: number;
}

/**
 * The end that a body gives as `expires_at`. Null, for no end, only where none is given: a text that cannot be read is
 * refused, or a slip in reading would give for ever what was meant for a day.
 * @throws validation_failed
 */
export function readEnd(text: string | null | undefined, { now, mostYears }: Bounds): Date | null {
  if (text === null || text === undefined) return null;
  const end = parseInstant(text);
  const ahead = end === null ? NaN : end.getTime() - now;
  const mostMs = (mostYears ?? Infinity) * 366 * 24 * 3600 * 1000;
  if (end !== null && ahead > 0 && ahead <= mostMs) return end;
  const limit = mostYears === undefined ? '' : `, at most ${mostYears} years ahead`;
  throw validationFailed({
    fields: [{ field: 'expires_at', message: `expires_at must be in the future${limit}` }],
  });
}
