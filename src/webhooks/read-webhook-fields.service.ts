import { Inject, Injectable } from '@nestjs/common';
import { validationFailed } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { Webhook } from './webhook';
import { webhookUrl } from './webhook-url';

/** What people decide of a webhook. */
export type WebhookFields = Pick<Webhook, 'url' | 'eventTypes' | 'description' | 'enabled'>;

/** What they send. */
interface GivenFields {
  url?: string;
  event_types?: string[];
  description?: string | null;
  enabled?: boolean;
}

/** Reads what people send of a webhook, with the networks that this platform allows. */
@Injectable()
export class ReadWebhookFields {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** Those that are given, in the form they are stored in. @throws validation_failed for a URL that may be no receiver */
  run({ url, event_types, description, enabled }: GivenFields): Partial<WebhookFields> {
    return {
      ...(url !== undefined && { url: this.url(url) }),
      ...(event_types !== undefined && { eventTypes: [...event_types].sort() }),
      ...(description !== undefined && { description }),
      ...(enabled !== undefined && { enabled }),
    };
  }

  private url(text: string): string {
    const read = webhookUrl(text, this.config.WEBHOOK_PRIVATE_NETWORKS);
    if ('url' in read) return read.url;
    throw validationFailed({ fields: [{ field: 'url', message: `url ${read.problem}` }] });
  }
}
