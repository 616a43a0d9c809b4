import { Injectable } from '@nestjs/common';
import { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { Identities } from '../identities/identities.service';
import { PermissionCheckBody, PermissionCheckReply } from './authz.dto';
import { Decisions } from './decisions.service';
import { ResourceAccess } from './resource-access.service';

/** Answers whether somebody may do something: the caller, or for those who may ask so anybody. */
@Injectable()
export class CheckPermission {
  constructor(
    private readonly decisions: Decisions,
    private readonly identities: Identities,
    private readonly resources: ResourceAccess,
  ) {}

  /**
   * A permission that nobody has heard of is one that nobody has. With a resource it takes both, the permission and
   * access to that object, which is asked each time and kept nowhere.
   * @throws permission_denied, not_found for another user.
   */
  async run(
    caller: IdentifiedCaller,
    { permission, resource, user_id }: PermissionCheckBody,
  ): Promise<PermissionCheckReply> {
    const userId = user_id?.toLowerCase() ?? caller.userId;
    const decision =
      userId === caller.userId
        ? await this.decisions.checkCaller(caller, permission)
        : await this.ofAnother(caller, userId, permission);
    if (!decision.allowed || resource === undefined) return decision;
    const reason = await this.resources.reasonFor(userId, resource, permission);
    return { allowed: reason !== null, reason: reason ?? 'no_access_to_resource', cached: false };
  }

  private async ofAnother(
    caller: IdentifiedCaller,
    userId: string,
    permission: string,
  ): Promise<PermissionCheckReply> {
    await this.decisions.requireOfCaller(caller, 'authz:check');
    const decision = await this.decisions.check(userId, permission);
    // Also what is said of nobody at all.
    if (decision.reason === 'account_not_active' && !(await this.identities.findById(userId)))
      throw notFound();
    return decision;
  }
}
