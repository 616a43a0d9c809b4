import { Inject, Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../common/app-error';
import { notFound } from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import { DependencyLog } from '../../infra/logging/dependency-log';
import { failureReason } from '../../infra/logging/failure-reason';
import { SigningSecrets, WebhookSecrets } from '../webhook-secrets.service';
import { webhookSecretDamaged } from '../webhooks.errors';
import { DeliveryResults } from './delivery-results.service';
import { DueDelivery, Lane, Lanes } from './lanes.service';
import { SendFailure } from './send-failure';
import { Outcome, SignedPost } from './signed-post';

/** Requests to one receiver at a time. */
const AT_ONCE = 4;
const BATCH = 20;
/** Opening the secret may take so long before what was read earlier is read again. */
const FRESH_MS = 100;
/** While the secret cannot be had, or not in time: the receiver is not to blame. */
const OUR_REST_MS = 10_000;
const RECORD_AGAIN_MS = 500;
/** Also when the claim is over: while PostgreSQL is away nobody else has the lane. */
const RECORD_FOR_MS = 30_000;

/** How the process ends: soon (no new request), and now (none at all). */
export interface Ending {
  soon: AbortSignal;
  now: AbortSignal;
}

/** What a batch came to. */
interface Tally {
  /** Whether anything was tried at all. */
  begun: boolean;
  arrived: boolean;
  failure?: SendFailure;
}

/** Sends what is due on a lane, a few requests at a time, until nothing is, or something fails. */
@Injectable()
export class LaneRunner {
  private readonly logger = new Logger('Webhooks');
  private readonly database = new DependencyLog(
    this.logger,
    'Deliveries of webhooks cannot be read or recorded',
  );
  private readonly kms = new DependencyLog(this.logger, 'A secret of a webhook cannot be opened');
  private readonly pace = new DependencyLog(this.logger, 'Deliveries of webhooks are not begun');

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly lanes: Lanes,
    private readonly results: DeliveryResults,
    private readonly signedPost: SignedPost,
    private readonly secrets: WebhookSecrets,
  ) {}

  /** Does not throw. Where even the claim cannot be handed back, it runs out. */
  async run(lane: Lane, ending: Ending): Promise<void> {
    try {
      while (!ending.soon.aborted) {
        const batch = await this.next(lane);
        if (batch.length === 0 || !(await this.send(lane, batch, ending))) break;
      }
      await this.lanes.release(lane);
    } catch (error) {
      if (!ending.now.aborted) this.database.failed(failureReason(error));
      await this.lanes.release(lane).catch(() => undefined);
    }
  }

  private async next(lane: Lane): Promise<DueDelivery[]> {
    // A receiver that has failed is asked once, before it gets all that has come meanwhile.
    const batch = await this.lanes.next(lane, lane.failures > 0 ? 1 : BATCH);
    this.database.worked();
    return batch;
  }

  /** @returns whether to go on. */
  private async send(lane: Lane, batch: readonly DueDelivery[], ending: Ending): Promise<boolean> {
    const readAt = performance.now();
    const secrets = await this.secretsOf(lane);
    if (!secrets) return false;
    try {
      // A KMS that took its time has used up the claim that came with the batch; and the webhook may have another address by
      // now, or want nothing any more, which is no trouble.
      const isStale = this.isLate(lane) || performance.now() - readAt > FRESH_MS;
      const due = isStale ? await this.next(lane) : batch;
      if (due.length === 0) return false;
      const tally = await this.sendAll(lane, due, secrets, ending);
      if (!tally.begun) {
        await this.hold(lane, ending);
        return false;
      }
      this.pace.worked();
      if (!tally.failure) {
        if (tally.arrived && lane.failures > 0) await this.lanes.recovered(lane);
        return true;
      }
      await this.rest(lane, tally);
      return false;
    } finally {
      secrets.current.fill(0);
      secrets.previous?.fill(0);
    }
  }

  /** Nothing could be begun while the claim was good: at once it would be the same again. */
  private async hold(lane: Lane, ending: Ending): Promise<void> {
    if (ending.soon.aborted) return;
    this.pace.failed('the claim was over before the first request');
    await this.lanes.release(lane, OUR_REST_MS);
  }

  private async rest(lane: Lane, { arrived, failure }: Omit<Tally, 'begun'>): Promise<void> {
    const rests = await this.lanes.rest(lane, { arrived, atLeastMs: failure?.retryAfterMs });
    // Who has repaired it meanwhile has it tried first.
    if (rests) await this.results.giveUpExpired(lane.id);
  }

  /** Whether the claim does not outlive another try. */
  private isLate({ claimedUntil }: Lane): boolean {
    return (
      performance.now() > claimedUntil - this.config.WEBHOOK_TIMEOUT_SECONDS * 1000 - 2 * RECORD_AGAIN_MS
    );
  }

  /** Begins nothing more after a failure, when the webhook was changed, or when it is late. */
  private async sendAll(
    lane: Lane,
    batch: readonly DueDelivery[],
    secrets: SigningSecrets,
    ending: Ending,
  ): Promise<Tally> {
    const tally: Tally = { begun: false, arrived: false };
    let isOver = false;
    const waiting = batch.values();
    const worker = async (): Promise<void> => {
      for (const delivery of waiting) {
        if (isOver || tally.failure || ending.soon.aborted || this.isLate(lane)) return;
        tally.begun = true;
        // Not `||=`, which forgets that another one was told to stop while this one waited.
        if (!(await this.sendOne(lane, delivery, secrets, { ending, tally }))) isOver = true;
      }
    };
    const workers = Array.from({ length: AT_ONCE }, () => worker().finally(() => (isOver = true)));
    // Of all of them, for the secrets are zeroed then.
    const failed = (await Promise.allSettled(workers)).find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
    return tally;
  }

  /** @returns whether to send more of the batch. */
  private async sendOne(
    lane: Lane,
    delivery: DueDelivery,
    secrets: SigningSecrets,
    { ending, tally }: { ending: Ending; tally: Tally },
  ): Promise<boolean> {
    const { url, message } = delivery;
    if (!message) {
      await this.results.dead(delivery, 'the event is not kept any more');
      return true;
    }
    const outcome = await this.signedPost.send({ url, message, secrets, signal: ending.now });
    if (outcome.failure) tally.failure ??= outcome.failure;
    else tally.arrived = true;
    return this.record(ending, () => this.keep(lane, delivery, outcome));
  }

  /** @returns whether to send more. */
  private async keep(lane: Lane, delivery: DueDelivery, { failure, status }: Outcome): Promise<boolean> {
    if (!failure) return this.results.delivered(delivery, status!);
    if (failure.status === 410) await this.results.gone(lane.id, delivery, failure);
    else await this.results.failed(delivery, failure);
    return false;
  }

  /** What has arrived must not be sent again: this tries until it is on record. */
  private async record(ending: Ending, keep: () => Promise<boolean>): Promise<boolean> {
    for (const end = performance.now() + RECORD_FOR_MS; ;) {
      try {
        return await keep();
      } catch (error) {
        if (ending.soon.aborted || performance.now() > end) throw error;
        this.database.failed(failureReason(error));
        await sleep(RECORD_AGAIN_MS);
      }
    }
  }

  private async secretsOf(lane: Lane): Promise<SigningSecrets | null> {
    try {
      const secrets = await this.secrets.of(lane.id);
      this.kms.worked();
      return secrets;
    } catch (error) {
      // Deleted meanwhile.
      if (error instanceof AppError && error.code === notFound.code) return null;
      // Nothing arrives until it is rotated: that is for whoever looks at the webhook, and no matter of the KMS.
      if (error instanceof AppError && error.code === webhookSecretDamaged.code) {
        await this.rest(lane, { arrived: false });
        return null;
      }
      this.kms.failed(failureReason(error));
      await this.lanes.release(lane, OUR_REST_MS);
      return null;
    }
  }
}
