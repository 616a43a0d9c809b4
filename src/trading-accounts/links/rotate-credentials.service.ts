import { Injectable } from '@nestjs/common';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { AccountAccess } from '../account-access.service';
import { BrokerApp } from '../brokers/broker';
import { BrokerLogins, LoginToken } from '../logins/broker-logins.service';
import { CompleteLogin } from '../logins/complete-login.service';
import { CredentialsBody } from './links.dto';
import { loginToken } from '../logins/login-token';
import { StageRecord } from './stage-record';
import { Turn, Turns } from '../logins/turns.service';
import { brokerUserMismatch } from '../trading-accounts.errors';
import { CredentialsVault } from '../vault/credentials-vault.service';

/**
 * Gives an account other credentials. Those in force stay so until a login has proved the new ones: at once, where the
 * call brings a request token, and then the new ones are stored only when they are proved; else they wait, in place of
 * what has waited before. A session that is open already proves nothing of the secret, so it only tells whose they are.
 */
@Injectable()
export class RotateCredentials {
  constructor(
    private readonly access: AccountAccess,
    private readonly logins: BrokerLogins,
    private readonly turns: Turns,
    private readonly vault: CredentialsVault,
    private readonly record: StageRecord,
    private readonly completeLogin: CompleteLogin,
  ) {}

  /**
   * @throws permission_denied, rate_limited, validation_failed, not_found, owner_required, broker_call_in_progress,
   * broker_user_mismatch, trading_account_exists, broker_refused, broker_unavailable, broker_bad_answer,
   * credentials_damaged, unavailable
   */
  async run(caller: AuthenticatedCaller, accountId: string, body: CredentialsBody): Promise<void> {
    requirePermission(caller, 'trading_account:link');
    const token = loginToken(body);
    const app = { apiKey: body.api_key, apiSecret: body.api_secret };
    await this.logins.count(caller);
    await this.access.requireOwner(caller, accountId);
    await this.turns.during(accountId, async (turn) => {
      const fresh = await this.vault.seal(turn, { ...app, accessToken: null });
      if (token && 'requestToken' in token)
        return this.completeLogin.run(caller, turn, { app, token, setId: fresh.id, fresh });
      if (token) await this.requireSameUser(turn, app, token);
      await this.record.write(caller, turn, fresh, app.apiKey);
    });
  }

  private async requireSameUser(turn: Turn, app: BrokerApp, token: LoginToken): Promise<void> {
    const { brokerUserId } = await this.logins.prove(turn.broker, app, token);
    if (turn.brokerUserId !== null && turn.brokerUserId !== brokerUserId) throw brokerUserMismatch();
  }
}
