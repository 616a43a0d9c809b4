import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../common/app-error';
import { unavailable } from '../../common/common.errors';
import { withDeadline } from '../deadline';
import { IntegrityError } from './integrity-error';

/** The pause after the first try; each further one may be twice as long. */
const FIRST_PAUSE_MS = 100;
const MOST_TRIES = 4;
/** Seconds that a caller is asked to wait, where the provider names none, and at most. */
const RETRY_AFTER_SECONDS = 2;
const LONGEST_RETRY_AFTER_SECONDS = 60;

export interface FailureDetails {
  /** Whether the same question may be answered a moment later. */
  passing: boolean;
  /** As the provider names it. */
  code?: string;
  /** Seconds, where the provider named them. */
  retryAfter?: number;
}

/** A KMS that did not do its part. The message is made here, of codes: never of a request, or of what was answered. */
export class RemoteFailure extends Error {
  constructor(
    message: string,
    readonly details: FailureDetails,
  ) {
    super(message);
    this.name = 'RemoteFailure';
  }
}

export interface RemoteCall {
  /** For the log: "Vault". */
  name: string;
  /** For everything, tries and pauses included. */
  milliseconds: number;
  /** Whether asking twice does no more than asking once. */
  repeatable: boolean;
}

/**
 * Asks a KMS elsewhere. A passing failure is tried again after a pause of random length (so that those who were turned
 * away together do not come back together), a few times and only while there is time.
 * @param ask throws `RemoteFailure`; what it started ends with the signal.
 * @throws unavailable, with the last failure as its cause. IntegrityError as `ask` throws it
 */
export async function callRemote<T>(
  { name, milliseconds, repeatable }: RemoteCall,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const end = performance.now() + milliseconds;
  try {
    return await withDeadline(
      tryUntil(end, repeatable ? MOST_TRIES : 1, late.signal, ask),
      milliseconds,
      name,
    );
  } catch (cause) {
    if (cause instanceof IntegrityError) throw cause;
    throw unavailableBecause(cause);
  } finally {
    late.abort();
  }
}

async function tryUntil<T>(
  end: number,
  tries: number,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(signal);
    } catch (error) {
      const pause = pauseAfter(error, attempt);
      if (attempt >= tries || pause === null || performance.now() + pause >= end) throw error;
      await sleep(pause, undefined, { signal });
    }
  }
}

/** Milliseconds; null where another try is of no use. */
function pauseAfter(error: unknown, attempt: number): number | null {
  if (!(error instanceof RemoteFailure) || !error.details.passing) return null;
  const longest = FIRST_PAUSE_MS * 2 ** (attempt - 1);
  return Math.max((error.details.retryAfter ?? 0) * 1000, randomInt(longest / 4, longest + 1));
}

/** `unavailable`, with the seconds after which it may be over. */
export function unavailableBecause(cause: unknown): AppError {
  const seconds = cause instanceof RemoteFailure ? cause.details.retryAfter : undefined;
  const retryAfter = Math.min(Math.max(seconds ?? RETRY_AFTER_SECONDS, 1), LONGEST_RETRY_AFTER_SECONDS);
  return unavailable({ cause, retryAfter });
}
