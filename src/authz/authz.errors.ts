import { defineError } from '../common/app-error';

export const escalationRefused = defineError(
  'escalation_refused',
  'forbidden',
  'Nobody gives more than they have, changes what they may do themselves, or changes somebody who may do more.',
);
export const lastAdministrator = defineError(
  'last_administrator',
  'conflict',
  'This is the last administrator: make another one first.',
);
export const permissionAlreadyGranted = defineError(
  'permission_already_granted',
  'conflict',
  'The user has this permission already, granted directly. Revoke it first to change its end.',
  { permission_id: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10' },
);
