import { Caller } from '../common/caller';
import { permissionDenied } from '../common/common.errors';

/**
 * The first line of whatever needs a permission. It asks what the door has found for this call: a door that forgot to
 * ask has found nothing.
 * @throws permission_denied
 */
export function requirePermission(caller: Caller, permission: string): void {
  if (!caller.permissions.has(permission)) throw permissionDenied();
}
