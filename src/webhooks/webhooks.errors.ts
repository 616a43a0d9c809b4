import { defineError } from '../common/app-error';

export const tooManyWebhooks = defineError(
  'too_many_webhooks',
  'conflict',
  'There are as many webhooks as there can be: delete one first.',
);
export const deliveryNotDead = defineError(
  'delivery_not_dead',
  'conflict',
  'Only what has been given up can be sent again: the rest has arrived, or is on its way.',
);
export const eventNotKept = defineError(
  'event_not_kept',
  'conflict',
  'The event is older than events are kept: there is nothing left to send.',
);
export const webhookSecretDamaged = defineError(
  'webhook_secret_damaged',
  'conflict',
  'What is stored of the secret is not what was stored. Rotate it.',
);
