import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { User } from '../identities/user.entity';
import { EventData } from '../infra/events/event-types';
import { Events } from '../infra/events/events';
import { OpaqueTokens } from '../tokens/opaque-tokens.service';

export type FailureReason = EventData['login.failed']['reason'];

/** What tries to sign in leave in PostgreSQL: of an account, or of an address that has none. */
@Injectable()
export class LoginTrail {
  constructor(
    private readonly db: EntityManager,
    private readonly events: Events,
    private readonly tokens: OpaqueTokens,
  ) {}

  async failed(caller: Caller, who: User | string, reason: FailureReason): Promise<void> {
    await this.db.transaction((tx) =>
      this.events.record(tx, caller, { type: 'login.failed', ...this.parties(who), data: { reason } }),
    );
  }

  async locked(caller: Caller, who: User | string, retryAfter: number): Promise<void> {
    await this.db.transaction((tx) =>
      this.events.record(tx, caller, {
        type: 'login.locked',
        ...this.parties(who),
        data: { retry_after: retryAfter },
      }),
    );
  }

  /** Only where the password is still the one that was checked. */
  async replaceHash(user: User, hash: string): Promise<void> {
    await this.db.update(User, { id: user.id, passwordHash: user.passwordHash! }, { passwordHash: hash });
  }

  /**
   * An unknown address is told apart from others, but can be neither read back nor tried out: what people type there is
   * somebody's address all the same, and events stay for years. Nobody has proved to be anybody yet.
   */
  private parties(who: User | string): { subject: string; actor: string } {
    const subject =
      typeof who === 'string' ? `address:${this.tokens.pseudonym('unknown_address', who)}` : `user:${who.id}`;
    return { subject, actor: 'anonymous' };
  }
}
