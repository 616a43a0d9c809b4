import { Inject, Injectable } from '@nestjs/common';
import { FieldError } from '../common/app-error';
import { CONFIG, Config } from '../config/config';
import { BCRYPT_MAX_BYTES } from './bcrypt-limit';
import { PasswordHasher } from './password-hasher';
import { passwordPolicy } from './passwords.errors';

const LEAST_SCORE = 2;
const LEAST_WORD = 4;

interface Owner {
  email: string | null;
  name: string;
}

/** What a new password must be like: contract "Auth", seed 004 "Password Requirements". */
@Injectable()
export class PasswordPolicy {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly hasher: PasswordHasher,
  ) {}

  /** @throws password_policy with one entry for each broken rule. */
  async check(password: string, owner: Owner, field = 'password'): Promise<void> {
    const broken = brokenRules(password, owner, this.config.PASSWORD_MIN_LENGTH);
    // The estimate takes longer the longer the text is: not for one that is too long anyway.
    if (Buffer.byteLength(password) <= BCRYPT_MAX_BYTES) {
      const score = await this.hasher.score(password, [owner.email ?? '', ...words(owner)]);
      if (score < LEAST_SCORE) broken.push('is too easy to guess');
    }
    if (broken.length === 0) return;
    throw passwordPolicy({
      fields: broken.map((rule): FieldError => ({ field, message: `${field} ${rule}` })),
    });
  }
}

/** The rules that need no dictionary. */
export function brokenRules(password: string, owner: Owner, minLength: number): string[] {
  const lower = password.toLowerCase();
  const rules: [broken: boolean, rule: string][] = [
    [[...password].length < minLength, `must have at least ${minLength} characters`],
    [Buffer.byteLength(password) > BCRYPT_MAX_BYTES, `must have at most ${BCRYPT_MAX_BYTES} bytes in UTF-8`],
    [password.includes('\0'), 'must not contain NUL'],
    [!/\p{Lu}/u.test(password), 'must contain an upper-case letter'],
    [!/\p{Ll}/u.test(password), 'must contain a lower-case letter'],
    [!/\p{Nd}/u.test(password), 'must contain a digit'],
    [!/[^\p{L}\p{Nd}]/u.test(password), 'must contain a special character'],
    [words(owner).some((word) => lower.includes(word)), 'must not contain your name or e-mail address'],
  ];
  return rules.filter(([broken]) => broken).map(([, rule]) => rule);
}

/** The address before the @, and each word of the name, where long enough to mean anything. */
function words({ email, name }: Owner): string[] {
  const local = email?.slice(0, email.lastIndexOf('@')) ?? '';
  return [local, ...name.split(/[\s.,;_-]+/)]
    .map((word) => word.toLowerCase())
    .filter((word) => [...word].length >= LEAST_WORD);
}
