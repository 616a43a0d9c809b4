import { Inject, Injectable, Logger } from '@nestjs/common';
import { AppError } from '../common/app-error';
import { Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { CONFIG, Config } from '../config/config';
import { accountDeactivated, accountSuspended, emailNotVerified } from '../identities/identities.errors';
import { Identities } from '../identities/identities.service';
import { User } from '../identities/user.entity';
import { DependencyLog } from '../infra/logging/dependency-log';
import { failureReason } from '../infra/logging/failure-reason';
import { PasswordHasher } from '../passwords/password-hasher';
import { LoginBody } from './auth.dto';
import { invalidCredentials } from './auth.errors';
import { LoginLimits } from './login-limits';
import { FailureReason, LoginTrail } from './login-trail';
import { failureResult, signIns } from './sign-in-metrics';
import { MfaRequired, SignedIn, SignIn } from './sign-in.service';

/** Signs in with address and password. Unknown address and wrong password are one answer, after the same work. */
@Injectable()
export class Login {
  private readonly forgetting = new DependencyLog(
    new Logger('Limits'),
    'Successful sign-ins count as failed ones',
  );

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly limits: LoginLimits,
    private readonly identities: Identities,
    private readonly hasher: PasswordHasher,
    private readonly signIn: SignIn,
    private readonly trail: LoginTrail,
  ) {}

  /** @throws invalid_credentials, rate_limited, account_suspended, account_deactivated, email_not_verified, hashing_busy */
  async run(caller: Caller, body: LoginBody): Promise<SignedIn | MfaRequired> {
    const refusal = await this.limits.take(caller.ip, body.email);
    if (refusal) {
      signIns.inc({ method: 'password', result: 'locked' });
      if (refusal.first) await this.locked(caller, body.email, refusal.retryAfter);
      throw rateLimited({ retryAfter: refusal.retryAfter });
    }
    const { user, right } = await this.check(caller, body);
    if (!user || !right)
      return this.refuse(
        caller,
        body,
        user,
        invalidCredentials(),
        user ? 'wrong_password' : 'unknown_account',
      );
    // Only whoever knows the password learns the state of the account.
    const obstacle = this.obstacle(user);
    if (obstacle) return this.refuse(caller, body, user, obstacle, 'not_allowed');

    // Travels to Redis with what opens the session, which fails where Redis does.
    const forgotten = this.forget(caller.ip, body.email);
    // The next sign-in tries again.
    await this.rehashIfOutdated(user, body.password).catch(() => {});
    const signedIn = await this.signIn.begin(caller, user, {
      method: 'password',
      wish: { persistent: body.persist_session, fingerprint: body.device_fingerprint },
      delivery: body.token_delivery,
    });
    await forgotten;
    return signedIn;
  }

  /** Does not throw: what is not forgotten runs out, and whoever has signed in is not turned away for it. */
  private async forget(ip: string, email: string): Promise<void> {
    try {
      await this.limits.forget(ip, email);
      this.forgetting.worked();
    } catch (error) {
      this.forgetting.failed(failureReason(error));
    }
  }

  /** A try that could not be made does not count: neither an outage nor a storm must lock anybody out. */
  private async check(
    caller: Caller,
    { email, password }: LoginBody,
  ): Promise<{ user: User | null; right: boolean }> {
    try {
      const user = await this.identities.findByEmail(email);
      return { user, right: await this.hasher.verify(password, user?.passwordHash ?? null) };
    } catch (error) {
      await this.limits.giveBack(caller.ip, email).catch(() => {});
      throw error;
    }
  }

  private async locked(caller: Caller, email: string, retryAfter: number): Promise<void> {
    await this.trail.locked(caller, (await this.identities.findByEmail(email)) ?? email, retryAfter);
  }

  private obstacle(user: User): AppError | null {
    if (user.status === 'suspended') return accountSuspended();
    if (user.status === 'deactivated') return accountDeactivated();
    if (this.config.FEATURE_REQUIRE_VERIFIED_EMAIL && !user.emailVerifiedAt) return emailNotVerified();
    return null;
  }

  private async refuse(
    caller: Caller,
    body: LoginBody,
    user: User | null,
    error: AppError,
    reason: FailureReason,
  ): Promise<never> {
    signIns.inc({ method: 'password', result: failureResult(reason) });
    await this.trail.failed(caller, user ?? body.email, reason);
    throw error;
  }

  /** Moves hashes of an older cost, or of an imported scheme, to today's: only now is the password at hand. */
  private async rehashIfOutdated(user: User, password: string): Promise<void> {
    if (!user.passwordHash || !this.hasher.isOutdated(user.passwordHash, password)) return;
    await this.trail.replaceHash(user, await this.hasher.hash(password));
  }
}
