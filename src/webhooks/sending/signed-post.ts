import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../common/clock';
import { CONFIG, Config } from '../../config/config';
import { LateError } from '../../infra/deadline';
import { SigningSecrets } from '../webhook-secrets.service';
import { AllowedAddress } from './allowed-address';
import { Answer, post } from './post';
import { retryAfterMs } from './retry-timing';
import { SendFailure, sendFailure } from './send-failure';
import { signatureHeaders, WebhookMessage } from './webhook-message';
import { webhookDuration } from './webhook-metrics';

/** What became of one try. */
export interface Outcome {
  /** Null: it has arrived. */
  failure: SendFailure | null;
  /** What was answered; null where nothing was. */
  status: number | null;
  milliseconds: number;
}

export interface SignedPostOptions {
  url: string;
  message: WebhookMessage;
  secrets: SigningSecrets;
  /** Gives the try up: the process stops. */
  signal: AbortSignal;
}

/** One try to hand a message to a receiver, within WEBHOOK_TIMEOUT_SECONDS for everything. */
@Injectable()
export class SignedPost {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly addresses: AllowedAddress,
  ) {}

  /** @throws the signal's reason, when it fires: then nobody knows whether the message has arrived. Nothing else. */
  async send({ url, message, secrets, signal }: SignedPostOptions): Promise<Outcome> {
    const startedAt = performance.now();
    const attempt = new AbortController();
    const giveUp = (): void => attempt.abort(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    const milliseconds = this.config.WEBHOOK_TIMEOUT_SECONDS * 1000;
    const late = new LateError(`no answer within ${this.config.WEBHOOK_TIMEOUT_SECONDS} s`);
    const timer = setTimeout(() => attempt.abort(late), milliseconds);
    const outcome = (status: number | null, failure: SendFailure | null): Outcome => {
      const took = performance.now() - startedAt;
      webhookDuration.observe(took / 1000);
      return { status, failure, milliseconds: Math.round(took) };
    };
    try {
      const answer = await this.ask(new URL(url), message, secrets, attempt.signal);
      return outcome(answer.status, this.failureOf(answer));
    } catch (error) {
      signal.throwIfAborted();
      const failure = attempt.signal.aborted ? new SendFailure(late.message) : sendFailure(error);
      return outcome(null, failure);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  private async ask(
    url: URL,
    message: WebhookMessage,
    secrets: SigningSecrets,
    signal: AbortSignal,
  ): Promise<Answer> {
    const lookup = await this.addresses.of(url, signal);
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': `${this.config.APP_NAME.replace(/[^\w.-]+/g, '-')}-webhooks/${this.config.VERSION.replace(/[^\w.-]+/g, '-')}`,
      Accept: '*/*',
      ...signatureHeaders(message, secrets, this.clock.now()),
    };
    return post(url, { headers, body: message.body, lookup, signal });
  }

  private failureOf({ status, retryAfter }: Answer): SendFailure | null {
    if (status >= 200 && status < 300) return null;
    const asksForTime = status === 429 || status === 503;
    const wait = asksForTime ? retryAfterMs(retryAfter, this.clock.now()) : undefined;
    return new SendFailure(`answered ${status}`, status, wait);
  }
}
