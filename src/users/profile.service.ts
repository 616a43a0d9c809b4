import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notAuthenticated, notFound } from '../common/common.errors';
import { Principals } from '../authz/principals.service';
import { Identities } from '../identities/identities.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { Profile, PublicProfile, UpdateProfileBody } from './profile.dto';

/** People see and change their own profile, and see a little of others'. */
@Injectable()
export class Profiles {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly identities: Identities,
    private readonly principals: Principals,
    private readonly events: Events,
  ) {}

  /** @throws not_authenticated when the account is gone. */
  async mine({ userId }: AuthenticatedCaller): Promise<Profile> {
    const principal = await this.principals.load(userId);
    if (!principal) throw notAuthenticated();
    return {
      user_id: principal.userId,
      email: principal.email,
      email_verified: principal.emailVerified,
      name: principal.name,
      phone: principal.phone,
      timezone: principal.timezone,
      locale: principal.locale,
      avatar_url: principal.avatarUrl,
      status: principal.status,
      mfa_enabled: principal.mfaEnabled,
      oauth_providers: principal.oauthProviders,
      roles: principal.roles,
      permissions: principal.permissions,
      trading_accounts: [],
      created_at: principal.createdAt.toISOString(),
      last_login_at: principal.lastLoginAt?.toISOString() ?? null,
    };
  }

  /** Changes what is given; the event names the fields, not their values. */
  async update(caller: AuthenticatedCaller, body: UpdateProfileBody): Promise<Profile> {
    const { avatar_url: avatarUrl, ...rest } = body;
    const changes = Object.entries({ ...rest, avatarUrl }).filter(([, value]) => value !== undefined);
    if (changes.length > 0) await this.write(caller, Object.fromEntries(changes));
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

  private async write(caller: AuthenticatedCaller, changes: Partial<User>): Promise<void> {
    await this.db.transaction(async (tx) => {
      const where = { id: caller.userId, deletedAt: IsNull() };
      const { affected } = await tx.update(User, where, { ...changes, updatedAt: this.clock.date() });
      if (affected !== 1) throw notAuthenticated();
      await this.events.record(tx, caller, {
        type: 'user.updated',
        subject: `user:${caller.userId}`,
        data: { fields: Object.keys(changes).map((field) => (field === 'avatarUrl' ? 'avatar_url' : field)) },
      });
    });
  }
}
