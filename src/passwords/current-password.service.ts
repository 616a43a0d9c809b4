import { Injectable } from '@nestjs/common';
import { User } from '../identities/user.entity';
import { Limits } from '../infra/limits/limits';
import { PasswordHasher } from './password-hasher';
import { invalidCurrentPassword } from './passwords.errors';

/** Wrong guesses at the present password: a stolen session must not become a stolen password. */
const GUESSES = { name: 'current-password', points: 5, seconds: 900 };

/** Asks a signed-in person for their password once more; wrong guesses count together, whatever it is asked for. */
@Injectable()
export class CurrentPassword {
  constructor(
    private readonly limits: Limits,
    private readonly hasher: PasswordHasher,
  ) {}

  /** @throws invalid_current_password, rate_limited, hashing_busy */
  async check(user: Pick<User, 'id' | 'passwordHash'>, password: string): Promise<void> {
    await this.limits.consume([GUESSES, user.id]);
    if (!(await this.isRight(user, password))) throw invalidCurrentPassword();
    await this.limits.reset(GUESSES, user.id);
  }

  private async isRight(user: Pick<User, 'id' | 'passwordHash'>, password: string): Promise<boolean> {
    try {
      return await this.hasher.verify(password, user.passwordHash);
    } catch (error) {
      // A guess that was never looked at is none.
      await this.limits.giveBack(GUESSES, user.id);
      throw error;
    }
  }
}
