import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { EntityManager, IsNull } from 'typeorm';
import { systemCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { conflict, validationFailed } from '../common/common.errors';
import { newId } from '../common/ids';
import { Roles } from '../authz/roles.service';
import { normaliseEmail } from '../identities/email-address';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { PasswordHasher } from '../passwords/password-hasher';
import { PasswordPolicy } from '../passwords/password-policy';

export interface AdministratorWish {
  email: string;
  name: string;
  /** Without one a random password is made, and returned. */
  password?: string;
}

export interface Administrator {
  userId: string;
  email: string;
  /** Only where it was made here: shown once. */
  password?: string;
  /** False where the account was there already and got the role. */
  created: boolean;
}

/** Makes an administrator: for operators at the command line, never for the network. */
@Injectable()
export class CreateAdministrator {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly roles: Roles,
    private readonly events: Events,
  ) {}

  /**
   * An account that is there keeps its password and gets the role, if its address is verified: anybody can sign up with
   * an address that is not theirs.
   * @throws validation_failed, password_policy, conflict
   */
  async run(wish: AdministratorWish): Promise<Administrator> {
    const email = normaliseEmail(wish.email);
    if (!email)
      throw validationFailed({ fields: [{ field: 'email', message: 'email must be an e-mail address' }] });
    const made = wish.password === undefined ? randomPassword() : undefined;
    const password = wish.password ?? made!;
    await this.policy.check(password, { email, name: wish.name });
    const hash = await this.hasher.hash(password);
    const { userId, created } = await this.db.transaction((tx) => this.write(tx, email, wish.name, hash));
    return { userId, email, created, ...(created && made !== undefined && { password: made }) };
  }

  private async write(
    tx: EntityManager,
    email: string,
    name: string,
    passwordHash: string,
  ): Promise<{ userId: string; created: boolean }> {
    const caller = systemCaller(newId());
    const now = this.clock.date();
    const values = {
      id: newId(),
      email,
      name,
      passwordHash,
      timezone: 'UTC',
      locale: 'en-US',
      status: 'active',
    } as const;
    const times = { emailVerifiedAt: now, passwordChangedAt: now, createdAt: now, updatedAt: now };
    const inserted = await tx
      .createQueryBuilder()
      .insert()
      .into(User)
      .values({ ...values, ...times })
      .orIgnore()
      .returning('id')
      .execute();
    const created = (inserted.raw as unknown[]).length > 0;
    const userId = created ? values.id : await provedOwner(tx, email);
    const subject = `user:${userId}`;
    if (created) {
      await this.events.record(tx, caller, {
        type: 'user.registered',
        subject,
        actor: 'system',
        data: { method: 'password' },
      });
    }
    await this.roles.assign(tx, caller, userId, 'admin');
    return { userId, created };
  }
}

/** 120 random bits, and a tail that holds one character of each class that the policy asks for. */
const randomPassword = (): string => `${randomBytes(15).toString('base64url')}-Aa1`;

async function provedOwner(tx: EntityManager, email: string): Promise<string> {
  const user = await tx.findOneByOrFail(User, { email, deletedAt: IsNull() });
  if (user.status === 'active' && user.emailVerifiedAt) return user.id;
  throw conflict({
    message: `${email} has an account that is not active, or whose address is not verified.`,
  });
}
