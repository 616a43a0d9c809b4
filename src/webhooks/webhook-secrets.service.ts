import { Inject, Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { notFound } from '../common/common.errors';
import { IntegrityError } from '../infra/kms/integrity-error';
import { KMS, Kms } from '../infra/kms/kms';
import { KmsEvents } from '../infra/kms/kms-events';
import { webhookSecretDamaged } from './webhooks.errors';

/** Standard Webhooks asks for 24 to 64. */
const SECRET_BYTES = 32;

export interface NewWebhookSecret {
  /** As the receiver gets it, once: `whsec_` and base64. */
  text: string;
  /** Under the master key, for this webhook alone. */
  wrapped: Buffer;
}

/** The bytes that sign, in memory that is the caller's to zero. */
export interface SigningSecrets {
  current: Buffer;
  /** The one before, for a day after a rotation. */
  previous?: Buffer;
}

/** What deliveries are signed with: under the master key wherever it rests, and in the clear only while it is used. */
@Injectable()
export class WebhookSecrets {
  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: KmsEvents,
  ) {}

  /** @throws unavailable */
  async make(webhookId: string): Promise<NewWebhookSecret> {
    const secret = randomBytes(SECRET_BYTES);
    try {
      const wrapped = await this.kms.wrap(secret, webhookContext(webhookId));
      return { text: `whsec_${secret.toString('base64')}`, wrapped };
    } finally {
      secret.fill(0);
    }
  }

  /**
   * Call it outside of transactions, and zero both when they have signed. A previous one that is damaged is left out, and
   * on record: the current one signs without it.
   * @throws not_found, webhook_secret_damaged, unavailable
   */
  async of(webhookId: string): Promise<SigningSecrets> {
    const [row] = await this.db.query<{ current: Buffer; previous: Buffer | null }[]>(
      `SELECT wrapped_secret AS current,
         CASE WHEN previous_secret_until > $2 THEN wrapped_previous_secret END AS previous
       FROM webhooks WHERE id = $1 AND deleted_at IS NULL`,
      [webhookId, this.clock.date()],
    );
    if (!row) throw notFound();
    const current = await this.opened(webhookId, row.current);
    if (!current) throw webhookSecretDamaged();
    if (!row.previous) return { current };
    try {
      const previous = await this.opened(webhookId, row.previous);
      return previous ? { current, previous } : { current };
    } catch (error) {
      current.fill(0);
      throw error;
    }
  }

  /** Null where it is not what was wrapped for this webhook, which is on record then. */
  private async opened(webhookId: string, wrapped: Buffer): Promise<Buffer | null> {
    try {
      return await this.kms.unwrap(wrapped, webhookContext(webhookId));
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      await this.events.damaged('webhooks', webhookId);
      return null;
    }
  }
}

/** What a webhook's secrets are wrapped for, the present and the previous one. */
export const webhookContext = (webhookId: string): string => `webhook:${webhookId}`;
