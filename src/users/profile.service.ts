import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller, IdentifiedCaller } from '../common/caller';
import { notAuthenticated, notFound } from '../common/common.errors';
import { Principals } from '../authz/principals.service';
import { Identities } from '../identities/identities.service';
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
  ) {}

  /** @throws not_authenticated when the account is gone. */
  async mine({ userId, keyPermissions }: IdentifiedCaller): Promise<Profile> {
    const principal = await this.principals.load(userId);
    if (!principal) throw notAuthenticated();
    const permissions = principal.permissions.filter((name) => keyPermissions?.has(name) ?? true);
    return profileOf({ ...principal, permissions });
  }

  /** @throws not_authenticated when the account is gone. */
  async update(caller: AuthenticatedCaller, body: UpdateProfileBody): Promise<Profile> {
    const isThere = await this.db.transaction((tx) => this.changes.write(tx, caller, caller.userId, body));
    if (!isThere) throw notAuthenticated();
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
