import { Injectable } from '@nestjs/common';
import { Authority } from '../authz/authority.service';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { Identities } from '../identities/identities.service';
import { RemoveSecondFactor } from '../mfa/remove-second-factor.service';
import { EndSessions } from '../sessions/end-sessions.service';
import { SessionList } from '../sessions/sessions.dto';
import { Sessions } from '../sessions/sessions.service';
import { SessionsEnded } from './accounts.dto';
import { refuseSelf } from './refuse-self';

/** How somebody gets into an account, as far as administrators may see and end it. */
@Injectable()
export class AccountAccess {
  constructor(
    private readonly identities: Identities,
    private readonly authority: Authority,
    private readonly sessions_: Sessions,
    private readonly endSessions_: EndSessions,
    private readonly secondFactor: RemoveSecondFactor,
  ) {}

  /** @throws permission_denied, not_found */
  async sessions(caller: IdentifiedCaller, userId: string): Promise<SessionList> {
    requirePermission(caller, 'user:read');
    if (!(await this.identities.findById(userId))) throw notFound();
    return this.sessions_.ofUser(userId);
  }

  /** @throws permission_denied, not_found, escalation_refused */
  async endSessions(caller: IdentifiedCaller, userId: string): Promise<SessionsEnded> {
    requirePermission(caller, 'user:write');
    const ended = await this.endSessions_.run(
      caller,
      { userId, reason: 'revoked_by_admin', ends: () => true, underWay: true },
      (tx) => this.authority.requireOver(caller, userId, tx),
    );
    return { message: 'Signed out everywhere.', sessions_revoked: ended.length };
  }

  /**
   * For somebody who has lost the authenticator and the backup codes.
   * @throws permission_denied, not_found, escalation_refused (also for the own account), mfa_not_enabled
   */
  async resetSecondFactor(caller: IdentifiedCaller, userId: string): Promise<void> {
    requirePermission(caller, 'user:write');
    requirePermission(caller, 'user:read');
    refuseSelf(caller, userId);
    await this.secondFactor.reset(caller, userId, (tx) => this.authority.requireOver(caller, userId, tx));
  }
}
