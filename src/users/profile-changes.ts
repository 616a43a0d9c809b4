import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { UpdateProfileBody } from './profile.dto';

/** Writes what changes of a profile, whoever changes it. */
@Injectable()
export class ProfileChanges {
  constructor(
    private readonly clock: Clock,
    private readonly events: Events,
  ) {}

  /**
   * Changes what is given; the event names the fields, not their values. Nothing given: no change, no event.
   * @param epoch that the account must be of, where it may change for one session alone.
   * @returns false where the account is gone, or of another epoch.
   */
  async write(
    tx: EntityManager,
    caller: Caller,
    userId: string,
    body: UpdateProfileBody,
    epoch?: number,
  ): Promise<boolean> {
    const account = {
      id: userId,
      deletedAt: IsNull(),
      ...(epoch !== undefined && { sessionEpoch: epoch }),
    };
    const given = Object.entries(body).filter(([, value]) => value !== undefined);
    if (given.length === 0) return tx.existsBy(User, account);
    const { avatar_url: avatarUrl, ...rest } = Object.fromEntries(given) as UpdateProfileBody;
    const { affected } = await tx.update(User, account, {
      ...rest,
      ...(avatarUrl !== undefined && { avatarUrl }),
      updatedAt: this.clock.date(),
    });
    if (affected !== 1) return false;
    await this.events.record(tx, caller, {
      type: 'user.updated',
      subject: `user:${userId}`,
      data: { fields: given.map(([field]) => field) },
    });
    return true;
  }
}
