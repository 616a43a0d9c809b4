import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { invalidAccessToken, notAuthenticated, notFound } from '../common/common.errors';
import { Principals } from '../authz/principals.service';
import { Identities } from '../identities/identities.service';
import { SessionStore } from '../sessions/session-store';
import { ProfileChanges } from './profile-changes';
import { profileOf } from './profile-view';
import { Profile, PublicProfile, UpdateProfileBody } from './profile.dto';

/** People see and change their own profile, and see a little of others'. */
@Injectable()
export class Profiles {
  constructor(
    private readonly db: EntityManager,
    private readonly identities: Identities,
    private readonly principals: Principals,
    private readonly changes: ProfileChanges,
    private readonly sessions: SessionStore,
  ) {}

  /** @throws not_authenticated when the account is gone. */
  async mine({ userId, keyPermissions }: IdentifiedCaller): Promise<Profile> {
    const principal = await this.principals.load(userId);
    if (!principal) throw notAuthenticated();
    const permissions = principal.permissions.filter((name) => keyPermissions?.has(name) ?? true);
    return profileOf({ ...principal, permissions });
  }

  /**
   * Only while the caller's session is in force: a call that was under way when its session ended must not write on an
   * account that is somebody else's by now.
   * @throws not_authenticated when the account is gone, invalid_access_token when the session is over
   */
  async update(caller: AuthenticatedCaller, body: UpdateProfileBody): Promise<Profile> {
    const { userId, sessionId } = caller;
    const session = (await this.sessions.list(userId)).find(({ id }) => id === sessionId);
    if (!session) throw invalidAccessToken();
    const isWritten = await this.db.transaction((tx) =>
      this.changes.write(tx, caller, userId, body, session.epoch),
    );
    if (!isWritten)
      throw (await this.identities.findById(userId)) ? invalidAccessToken() : notAuthenticated();
    return this.mine(caller);
  }

  /** @throws not_found */
  async ofUser(userId: string): Promise<PublicProfile> {
    const user = await this.identities.findById(userId);
    if (!user) throw notFound();
    return {
      user_id: user.id,
      name: user.name,
      avatar_url: user.avatarUrl,
      created_at: user.createdAt.toISOString(),
    };
  }
}
