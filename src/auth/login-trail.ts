import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { User } from '../identities/user.entity';
import { EventData } from '../infra/events/event-types';
import { Events } from '../infra/events/events';

export type FailureReason = EventData['login.failed']['reason'];

/** What tries to sign in leave in PostgreSQL. */
@Injectable()
export class LoginTrail {
  constructor(
    private readonly db: EntityManager,
    private readonly events: Events,
  ) {}

  async failed(caller: Caller, email: string, user: User | null, reason: FailureReason): Promise<void> {
    await this.db.transaction((tx) =>
      this.events.record(tx, caller, { type: 'login.failed', ...parties(email, user), data: { reason } }),
    );
  }

  async locked(caller: Caller, email: string, user: User | null, retryAfter: number): Promise<void> {
    await this.db.transaction((tx) =>
      this.events.record(tx, caller, {
        type: 'login.locked',
        ...parties(email, user),
        data: { retry_after: retryAfter },
      }),
    );
  }

  /** Only where the password is still the one that was checked. */
  async replaceHash(user: User, hash: string): Promise<void> {
    await this.db.update(User, { id: user.id, passwordHash: user.passwordHash! }, { passwordHash: hash });
  }
}

/** An unknown address is told apart from others, but can't be read back. Nobody has proved to be anybody yet. */
function parties(email: string, user: User | null): { subject: string; actor: string } {
  const digest = createHash('sha256').update(email).digest('hex').slice(0, 32);
  return { subject: user ? `user:${user.id}` : `address:${digest}`, actor: 'anonymous' };
}
