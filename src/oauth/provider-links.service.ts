import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { LinkRaced } from './link-raced';
import { googleAlreadyLinked } from './oauth.errors';

const GOOGLE = 'google';

/** Which account at the provider opens which account here. Each has at most one of the other. */
@Injectable()
export class ProviderLinks {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
  ) {}

  /** The living account that a Google account opens. */
  async owner(subject: string): Promise<User | null> {
    return this.db
      .createQueryBuilder(User, 'u')
      .where('u.id = (SELECT user_id FROM auth_providers WHERE provider = :provider AND subject = :subject)')
      .andWhere('u.deleted_at IS NULL')
      .setParameters({ provider: GOOGLE, subject })
      .getOne();
  }

  /**
   * Links, in the caller's transaction, which has locked the account's row.
   * @throws google_already_linked where another Google account opens it; LinkRaced where somebody else was faster.
   */
  async add(tx: EntityManager, caller: Caller, userId: string, subject: string): Promise<void> {
    // Deleted accounts do not count.
    await tx.query(
      `DELETE FROM auth_providers USING users
       WHERE provider = $1 AND subject = $2 AND users.id = user_id AND deleted_at IS NOT NULL`,
      [GOOGLE, subject],
    );
    const added = await tx.query<unknown[]>(
      `INSERT INTO auth_providers (provider, subject, user_id, linked_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING subject`,
      [GOOGLE, subject, userId, this.clock.date()],
    );
    if (added.length === 0) {
      const [taken] = await tx.query<unknown[]>(
        `SELECT FROM auth_providers WHERE provider = $1 AND user_id = $2 AND subject <> $3`,
        [GOOGLE, userId, subject],
      );
      throw taken ? googleAlreadyLinked() : new LinkRaced();
    }
    await this.events.record(tx, caller, {
      type: 'user.provider_linked',
      subject: `user:${userId}`,
      data: { provider: GOOGLE },
    });
  }
}
