import { z } from 'zod';
import { count, event, id, text, time } from './event-schema';

const kid = text('7mLkJ0tTn1Zk0K9d3o6v8fJxqv0c1H2w5rYb4sQeXgA');
const use = text('access');

/** Of keys, of the audit log itself, and of webhooks. */
export const operationEvents = {
  'master_key.rotated': event(
    'New secrets are wrapped under this version of the master key; older ones are re-wrapped in the background.',
    { provider: text('vault'), version: text('2') },
  ),
  'secret.integrity_failed': event(
    'What is stored under the master key is not what was stored: somebody changed the database, or its backup.',
    { kind: z.enum(['signing_key', 'totp', 'data_key', 'audit_export', 'webhook_secret']) },
  ),
  'signing_key.revoked': event('A signing key is not to be trusted any more.', { kid, use }),
  'signing_key.rotated': event('A new signing key is published, and signs from `activates_at`.', {
    kid,
    use,
    activates_at: time,
  }),
  'audit.read': event('Somebody looked at the events of somebody else, the subject.', {
    event_type: text('user.login').nullable(),
    start_date: time.nullable(),
    end_date: time.nullable(),
  }),
  'audit.exported': event('Events were exported.', {
    export_id: id,
    format: z.enum(['json', 'csv']),
    total_events: count,
    truncated: z.boolean(),
  }),
  'audit.dropped': event(
    'Whole months of events were dropped, by retention or by an operator; what else is missing was removed.',
    { before: z.iso.date().meta({ examples: ['2026-01-01'] }), events: count },
  ),
  'webhook.created': event('A webhook is told of these types of events.', {
    webhook_id: id,
    event_types: z.array(text('user.purged')),
  }),
  'webhook.updated': event('A webhook was changed: the names of the members, not what they say.', {
    webhook_id: id,
    fields: z.array(text('event_types')),
  }),
  'webhook.secret_rotated': event(
    'Deliveries are signed with a new secret, for a while also with the former.',
    {
      webhook_id: id,
    },
  ),
  'webhook.deleted': event('A webhook is told of nothing any more.', { webhook_id: id }),
};
