import { Logger } from '@nestjs/common';
import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhenResult,
  retry,
} from 'cockatiel';
import { withDeadline } from '../../infra/deadline';
import { DependencyLog } from '../../infra/logging/dependency-log';
import { BrokerFailure } from './broker';
import { BrokerMetrics, BrokerOperation, BrokerResult } from './broker-metrics';

/** So many calls in a row without an answer, and the broker is left alone; after so long one call tries again. */
const FAILURES = 10;
const PAUSE_SECONDS = 5;

export interface CallLimits {
  /** Of a call with all its retries. */
  timeoutMs: number;
  /** Of a call that may be repeated. */
  maxRetries: number;
}

type Outcome<T> = { value: T } | { failure: BrokerFailure };

/**
 * How calls to one broker at one address are made: with a deadline, with retries where a call may be repeated, and not
 * at all while the broker fails. What counts as failing is no answer, and trouble there. That it refuses something, cannot
 * answer this call, or has had enough calls of one app, is an answer: one user's mistakes must not close it to all
 * others. So is one that can't be understood: it comes at once, and nobody waits for it.
 */
export class BrokerCalls {
  private readonly metrics: BrokerMetrics;
  private readonly log: DependencyLog;
  private readonly retries;
  private readonly breaker = circuitBreaker(handleWhenResult(isTrouble), {
    halfOpenAfter: PAUSE_SECONDS * 1000,
    breaker: new ConsecutiveBreaker(FAILURES),
  });

  constructor(
    private readonly broker: string,
    private readonly limits: CallLimits,
  ) {
    this.metrics = new BrokerMetrics(broker);
    this.log = new DependencyLog(new Logger('Brokers'), 'broker');
    this.retries = retry(handleWhenResult(isTrouble), {
      maxAttempts: limits.maxRetries,
      // With jitter: this is the back-off's default.
      backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 2_000 }),
    });
    this.breaker.onStateChange((state) => this.metrics.circuit(state !== CircuitState.Closed));
  }

  /**
   * @param isRepeatable whether doing it twice does no harm.
   * @param attempt throws `BrokerFailure`, and ends when the signal says so.
   * @throws BrokerFailure
   */
  async run<T>(
    operation: BrokerOperation,
    isRepeatable: boolean,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const outcome = await this.guarded(isRepeatable, attempt);
    this.metrics.called(operation, resultOf(outcome));
    if ('value' in outcome) {
      this.log.worked();
      return outcome.value;
    }
    if (isTrouble(outcome)) this.log.failed(outcome.failure.message);
    throw outcome.failure;
  }

  private async guarded<T>(
    isRepeatable: boolean,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<Outcome<T>> {
    // One call finds out whether the broker is well again; the others don't wait for it.
    if (this.breaker.state === CircuitState.HalfOpen) return this.leftAlone();
    const { timeoutMs } = this.limits;
    const signal = AbortSignal.timeout(timeoutMs);
    const once = (): Promise<Outcome<T>> => outcomeOf(attempt(signal));
    try {
      const calls = this.breaker.execute(() => (isRepeatable ? this.retries.execute(once, signal) : once()));
      return await withDeadline(calls, timeoutMs, this.broker);
    } catch (error) {
      if (error instanceof BrokenCircuitError) return this.leftAlone();
      // A pause between two attempts knows no signal.
      if (signal.aborted) return { failure: noAnswer(this.broker, timeoutMs) };
      throw error;
    }
  }

  private leftAlone(): Outcome<never> {
    const message = `${this.broker}: fails, and is left alone for a while`;
    const details = { retryAfter: PAUSE_SECONDS, because: 'left_alone' } as const;
    return { failure: new BrokerFailure('unavailable', message, details) };
  }
}

const noAnswer = (broker: string, timeoutMs: number): BrokerFailure =>
  new BrokerFailure('unavailable', `${broker}: no answer within ${timeoutMs} ms`);

async function outcomeOf<T>(attempt: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await attempt };
  } catch (error) {
    if (error instanceof BrokerFailure) return { failure: error };
    throw error;
  }
}

function isTrouble(outcome: unknown): boolean {
  const { failure } = outcome as { failure?: BrokerFailure };
  return failure?.kind === 'unavailable' && !failure.details.because;
}

function resultOf(outcome: Outcome<unknown>): BrokerResult {
  if ('value' in outcome) return 'ok';
  const { kind, details } = outcome.failure;
  if (details.because === 'left_alone') return 'not_tried';
  return details.because === 'limited' ? 'limited' : kind;
}
