import { z } from 'zod';
import { event, id, text, time } from './event-schema';

const permission = text('trading_account:read');

/** Of roles, permissions and API keys. */
export const accessEvents = {
  'role.assigned': event('An account got a role.', { role: text('trader') }),
  'role.removed': event('An account lost a role.', { role: text('trader') }),
  'permission.granted': event('An account got a permission of its own.', {
    permission_id: id,
    permission,
    expires_at: time.nullable(),
  }),
  'permission.revoked': event('An account lost a permission of its own.', { permission_id: id, permission }),
  'api_key.created': event(
    'An API key was made. It never has more than its owner has at the time of use.',
    {
      api_key_id: id,
      name: text('production'),
      permissions: z.array(permission),
      expires_at: time.nullable(),
    },
    ['name'],
  ),
  'api_key.revoked': event('An API key opens nothing any more.', { api_key_id: id }),
};
