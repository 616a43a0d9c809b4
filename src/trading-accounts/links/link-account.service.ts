import { Injectable } from '@nestjs/common';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { isUnavailable } from '../../infra/unavailable';
import { BrokerLogins, LoginToken } from '../logins/broker-logins.service';
import { CompleteLogin } from '../logins/complete-login.service';
import { LinkRecord } from './link-record';
import { LinkRequest, linkRequest } from './link-request';
import { LinkBody } from './links.dto';
import { loginToken } from '../logins/login-token';
import { Turn } from '../logins/turns.service';
import { SealedCredentials } from '../vault/credential-sets';
import { AccountKey, CredentialsVault } from '../vault/credentials-vault.service';

export interface Linked {
  accountId: string;
  /** Whether an earlier call with the same Idempotency-Key had made it. */
  isReplayed: boolean;
}

/**
 * Links an account in two phases: the credentials are stored, and wait; a login proves them, in the same call where it
 * brings a token. What the broker has not confirmed is never in force, and what could not be proved is gone again.
 */
@Injectable()
export class LinkAccount {
  constructor(
    private readonly clock: Clock,
    private readonly logins: BrokerLogins,
    private readonly vault: CredentialsVault,
    private readonly record: LinkRecord,
    private readonly completeLogin: CompleteLogin,
  ) {}

  /**
   * @param idempotencyKey with it the call can be repeated for a day: it makes one account, however often it is sent.
   * @throws permission_denied, rate_limited, validation_failed, email_not_verified, idempotency_key_reused,
   * broker_call_in_progress, trading_account_exists, too_many_trading_accounts, broker_refused, broker_unavailable,
   * broker_bad_answer, unavailable
   */
  async run(caller: AuthenticatedCaller, body: LinkBody, idempotencyKey?: string): Promise<Linked> {
    requirePermission(caller, 'trading_account:link');
    const since = this.clock.date();
    const token = loginToken(body);
    const request = linkRequest(body, idempotencyKey);
    await this.logins.count(caller);
    const repeated = await this.record.look(caller.userId, request, since);
    if (repeated) return { ...repeated, isReplayed: true };

    const app = { apiKey: body.api_key, apiSecret: body.api_secret };
    const key = await this.vault.newKey(newId(), caller.userId);
    const sealed = await this.vault.seal(key, { ...app, accessToken: null });
    const begun = await this.begin(caller, request, { key, sealed, since, token });
    if (!('id' in begun)) return { ...begun, isReplayed: true };
    if (token)
      await this.orDiscard(begun, () =>
        this.completeLogin.run(caller, begun, { app, token, setId: sealed.id }),
      );
    return { accountId: begun.accountId, isReplayed: false };
  }

  private begin(
    caller: AuthenticatedCaller,
    request: LinkRequest,
    { token, ...made }: { key: AccountKey; sealed: SealedCredentials; since: Date; token: LoginToken | null },
  ): ReturnType<LinkRecord['begin']> {
    return this.record.begin(caller, request, { ...made, takesTurn: token !== null });
  }

  private async orDiscard(turn: Turn, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const discarded = this.record.discard(turn).catch(() => {});
      // While PostgreSQL is away nobody waits for it a second time. What stays has no session, and can be linked or unlinked.
      if (!isUnavailable(error)) await discarded;
      throw error;
    }
  }
}
