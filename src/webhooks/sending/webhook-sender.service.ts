import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { newId } from '../../common/ids';
import { CONFIG, Config } from '../../config/config';
import { WebhookSecrets } from '../webhook-secrets.service';
import { SignedPost } from './signed-post';
import { webhookMessage } from './webhook-message';

/** Not among the event types: nobody records one, and nobody can ask for it. */
export const TEST_EVENT_TYPE = 'webhook.test';

/** What a test came to. */
export interface TestOutcome {
  /** What the receiver answered; null where there was no answer. */
  status: number | null;
  /** Null: it has arrived. */
  error: string | null;
  milliseconds: number;
}

/** Sends to a webhook what no event is the cause of. */
@Injectable()
export class WebhookSender {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly secrets: WebhookSecrets,
    private readonly signedPost: SignedPost,
  ) {}

  /**
   * Sends one test event, once, to a webhook that may be disabled; it is no delivery, and is kept nowhere. Takes up to
   * WEBHOOK_TIMEOUT_SECONDS.
   * @throws not_found, webhook_secret_damaged, unavailable
   */
  async sendTest(webhookId: string): Promise<TestOutcome> {
    const [webhook] = await this.db.query<{ url: string }[]>(
      `SELECT url FROM webhooks WHERE id = $1 AND deleted_at IS NULL`,
      [webhookId],
    );
    if (!webhook) throw notFound();
    const secrets = await this.secrets.of(webhookId);
    try {
      const { status, failure, milliseconds } = await this.signedPost.send({
        url: webhook.url,
        message: this.testMessage(webhookId),
        secrets,
        signal: new AbortController().signal,
      });
      return { status, error: failure?.message ?? null, milliseconds };
    } finally {
      secrets.current.fill(0);
      secrets.previous?.fill(0);
    }
  }

  private testMessage(webhookId: string): ReturnType<typeof webhookMessage> {
    const event = {
      eventId: newId(),
      type: TEST_EVENT_TYPE,
      timestamp: this.clock.date(),
      source: this.config.APP_NAME,
      priority: 'normal',
      subject: `webhook:${webhookId}`,
      actor: 'system',
      resource: null,
      data: { webhook_id: webhookId },
      metadata: {},
    } as const;
    return webhookMessage(event, { position: null, hash: null });
  }
}
