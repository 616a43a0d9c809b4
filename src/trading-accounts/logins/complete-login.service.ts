import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { AfterReply } from './after-reply.service';
import { BrokerLogins, LoginToken } from './broker-logins.service';
import { BrokerApp, BrokerFailure, BrokerSession } from '../brokers/broker';
import { LoginRecord } from './login-record';
import { ReplacedSession } from './replaced-session.service';
import { brokerUserMismatch } from '../trading-accounts.errors';
import { Turn } from './turns.service';
import { SealedCredentials, StoredCredentials } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';

/** A login that is to be proved under an account's turn. */
export interface LoginTry {
  app: BrokerApp;
  token: LoginToken;
  /** Of the credentials that it proves. */
  setId: string;
  /** Those themselves, where they do not wait in the table yet. */
  fresh?: SealedCredentials;
}

/**
 * The way of every login, whatever it is for: the broker says who it is, and only then something is written. Where it
 * cannot be, the session that the broker has just opened is ended there again, and what it has replaced is found. None
 * of that keeps the caller waiting.
 */
@Injectable()
export class CompleteLogin {
  constructor(
    private readonly clock: Clock,
    private readonly logins: BrokerLogins,
    private readonly vault: CredentialsVault,
    private readonly record: LoginRecord,
    private readonly replaced: ReplacedSession,
    private readonly afterReply: AfterReply,
  ) {}

  /**
   * @throws broker_refused, broker_unavailable, broker_bad_answer, broker_user_mismatch, trading_account_exists,
   * unavailable, credentials_damaged; not_found, broker_call_in_progress where the turn was lost meanwhile; permission_denied,
   * not_authenticated where the permission was
   */
  async run(caller: IdentifiedCaller, turn: Turn, login: LoginTry): Promise<void> {
    const askedAt = this.clock.date();
    let session: BrokerSession | undefined;
    try {
      session = await this.logins.prove(turn.broker, login.app, login.token);
      if (turn.brokerUserId !== null && turn.brokerUserId !== session.brokerUserId)
        throw brokerUserMismatch();
      const before = await this.write(caller, turn, login, { ...session, askedAt });
      if (before) this.endSessionOf(turn, before, login.app.apiKey);
    } catch (error) {
      // A session that somebody has opened elsewhere is theirs.
      if ('requestToken' in login.token) this.undo(turn, login.app, session, error);
      throw error;
    }
  }

  private async write(
    caller: IdentifiedCaller,
    turn: Turn,
    { setId, fresh }: LoginTry,
    { accessToken, ...session }: BrokerSession & { askedAt: Date },
  ): Promise<StoredCredentials | null> {
    const sealedAccessToken = await this.vault.sealAccessToken(turn, setId, accessToken);
    return this.record.write(caller, turn, { setId, fresh, sealedAccessToken, ...session });
  }

  /** After a rotation. A login with the same app has ended it already. */
  private endSessionOf({ broker }: Turn, before: StoredCredentials, apiKey: string): void {
    if (before.accessToken === null) return;
    this.afterReply.run(`the logout at ${broker} after a rotation`, async () => {
      // The account's key opens them still.
      const old = await this.vault.open(before, { fields: ['apiKey', 'accessToken'] });
      if (old.accessToken === null || old.apiKey === apiKey) return;
      await this.logins.logOut({ broker, login: { apiKey: old.apiKey, accessToken: old.accessToken } });
    });
  }

  /** Where PostgreSQL has not answered, the login may be in force nevertheless: then its session stays. */
  private undo(turn: Turn, { apiKey }: BrokerApp, session: BrokerSession | undefined, error: unknown): void {
    if (!session && !isLost(error)) return;
    const { broker } = turn;
    this.afterReply.run(`the end of a login at ${broker} that was not kept`, async (signal) => {
      if (session && error instanceof AppError)
        await this.logins.logOut({ broker, login: { apiKey, accessToken: session.accessToken } });
      await this.replaced.notice(turn, apiKey, signal);
    });
  }
}

/** Whether the broker may have opened a session that nobody here has seen. */
const isLost = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof BrokerFailure && error.cause.isOutcomeUnknown;
