import { escalationRefused } from '../authz/authz.errors';
import { IdentifiedCaller } from '../common/caller';

/**
 * What administrators may do to others alone: to the own account it would go without the proof of presence that the
 * owner's own routes ask for, or lock out whoever clicked on the wrong line.
 * @throws escalation_refused
 */
export function refuseSelf(caller: IdentifiedCaller, userId: string): void {
  if (caller.userId === userId) throw escalationRefused();
}
