import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { User } from '../identities/user.entity';
import { OneTimeToken } from '../tokens/one-time-token.entity';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';

/** Finds whose account a reset link opens, before the expensive part. */
@Injectable()
export class ResetLinkOwner {
  constructor(
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly tokens: OneTimeTokens,
  ) {}

  /** A first look; what counts is the conditional update inside the transaction. Null: the link is good for nothing. */
  async find(token: string): Promise<{ tokenId: string; owner: User } | null> {
    const tokenId = await this.tokens.identify('password_reset', token);
    const owner = tokenId && (await this.ownerOf(tokenId));
    return owner ? { tokenId, owner } : null;
  }

  private async ownerOf(id: string): Promise<User | null> {
    return this.db
      .createQueryBuilder(User, 'u')
      .innerJoin(OneTimeToken, 't', 't.user_id = u.id AND t.email = u.email')
      .where('t.id = :id AND t.used_at IS NULL AND t.expires_at > :now', { id, now: this.clock.date() })
      .andWhere(`u.deleted_at IS NULL AND u.status IN ('active', 'pending_verification')`)
      .getOne();
  }
}
