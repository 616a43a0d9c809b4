import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Events } from '../infra/events/events';

export type RoleName = 'viewer' | 'trader' | 'admin';

/** Gives roles. */
@Injectable()
export class Roles {
  constructor(private readonly events: Events) {}

  /** Gives a role; having it already is no error, and no event. */
  async assign(tx: EntityManager, caller: Caller, userId: string, role: RoleName): Promise<void> {
    const rows = await tx.query<unknown[]>(
      `INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING role`,
      [userId, role],
    );
    if (rows.length === 0) return;
    await this.events.record(tx, caller, {
      type: 'role.assigned',
      subject: `user:${userId}`,
      data: { role },
    });
  }
}
