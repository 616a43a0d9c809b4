import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/app-error';
import { Caller } from '../../common/caller';
import { BrokerLogins, LoginToken } from './broker-logins.service';
import { BrokerApp, BrokerSession } from '../brokers/broker';
import { LoginRecord } from './login-record';
import { ReplacedSession } from './replaced-session.service';
import { brokerUserMismatch, tradingAccountExists } from '../trading-accounts.errors';
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
 * cannot be, the session that the broker has just opened is ended there again.
 */
@Injectable()
export class CompleteLogin {
  constructor(
    private readonly logins: BrokerLogins,
    private readonly vault: CredentialsVault,
    private readonly record: LoginRecord,
    private readonly replaced: ReplacedSession,
  ) {}

  /**
   * @throws broker_refused, broker_unavailable, broker_bad_answer, broker_user_mismatch, trading_account_exists,
   * unavailable, credentials_damaged; not_found, broker_call_in_progress where the turn was lost meanwhile
   */
  async run(caller: Caller, turn: Turn, login: LoginTry): Promise<void> {
    const session = await this.logins.prove(turn.broker, login.app, login.token);
    try {
      if (turn.brokerUserId !== null && turn.brokerUserId !== session.brokerUserId)
        throw brokerUserMismatch();
      const before = await this.write(caller, turn, login, session);
      if (before) await this.endSessionOf(turn, before, login.app.apiKey);
    } catch (error) {
      await this.undo(turn, login, session, error);
      throw error;
    }
  }

  private async write(
    caller: Caller,
    turn: Turn,
    { setId, fresh }: LoginTry,
    { accessToken, brokerUserId }: BrokerSession,
  ): Promise<StoredCredentials | null> {
    const sealedAccessToken = await this.vault.sealAccessToken(turn, setId, accessToken);
    return this.record.write(caller, turn, { setId, fresh, sealedAccessToken, brokerUserId });
  }

  /** After a rotation, as far as it is possible now. A login with the same app has ended it already. */
  private async endSessionOf(turn: Turn, before: StoredCredentials, apiKey: string): Promise<void> {
    if (before.accessToken === null) return;
    // The account's key opens them still.
    const old = await this.vault
      .open(before, { fields: ['apiKey', 'accessToken'] })
      .catch((error: unknown) => ignored(error));
    if (!old?.accessToken || old.apiKey === apiKey) return;
    const { accessToken } = old;
    await this.logins.logOut({ broker: turn.broker, login: { apiKey: old.apiKey, accessToken } });
  }

  /**
   * A session that somebody has opened elsewhere is theirs. Where PostgreSQL has not answered, the login may be in
   * force nevertheless: then its session stays.
   */
  private async undo(
    turn: Turn,
    { app, token }: LoginTry,
    { accessToken }: BrokerSession,
    error: unknown,
  ): Promise<void> {
    if ('accessToken' in token || !(error instanceof AppError)) return;
    const other = error.code === tradingAccountExists.code && error.extra?.trading_account_id;
    if (typeof other === 'string') await this.replaced.notice(other, app.apiKey);
    await this.logins.logOut({ broker: turn.broker, login: { apiKey: app.apiKey, accessToken } });
  }
}

/** The rotation is done, and whatever this is does not undo it. */
const ignored = (_error: unknown): null => null;
