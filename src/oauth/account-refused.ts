import { AppError } from '../common/app-error';
import { User } from '../identities/user.entity';

/** The account is known, and may not be opened. Whoever asked records it, and answers `answer`. */
export class AccountRefused extends Error {
  constructor(
    readonly user: User,
    readonly answer: AppError,
  ) {
    super(answer.message);
    this.name = 'AccountRefused';
  }
}
