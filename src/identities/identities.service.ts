import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { User } from './user.entity';

/** Finds living accounts. */
@Injectable()
export class Identities {
  constructor(private readonly db: EntityManager) {}

  /** @param email in normal form. */
  async findByEmail(email: string): Promise<(User & { email: string }) | null> {
    const user = await this.db.findOneBy(User, { email, deletedAt: IsNull() });
    return user && { ...user, email };
  }

  async findById(id: string): Promise<User | null> {
    return this.db.findOneBy(User, { id, deletedAt: IsNull() });
  }
}
