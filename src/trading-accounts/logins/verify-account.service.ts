import { Injectable } from '@nestjs/common';
import { requirePermission } from '../../authz/require-permission';
import { AuthenticatedCaller } from '../../common/caller';
import { AccountAccess } from '../account-access.service';
import { BrokerLogins } from './broker-logins.service';
import { brokerError } from './broker-error';
import { BrokerFailure } from '../brokers/broker';
import { Brokers } from '../brokers/brokers.service';
import { VerifiedReply } from '../links/links.dto';
import { AccessibleAccount } from '../trading-account';
import { CredentialSets, StoredCredentials } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';
import { Verdict, VerdictRecord } from './verdict-record';

/** Asks the broker whether the session of an account lives, and believes the answer. */
@Injectable()
export class VerifyAccount {
  constructor(
    private readonly access: AccountAccess,
    private readonly logins: BrokerLogins,
    private readonly brokers: Brokers,
    private readonly sets: CredentialSets,
    private readonly vault: CredentialsVault,
    private readonly record: VerdictRecord,
  ) {}

  /**
   * For the owner, and for members with `manage`: the answer changes the account.
   * @throws permission_denied, rate_limited, not_found, account_permission_denied, broker_unavailable,
   * broker_bad_answer, credentials_damaged, unavailable
   */
  async run(caller: AuthenticatedCaller, accountId: string): Promise<VerifiedReply> {
    requirePermission(caller, 'trading_account:view');
    await this.logins.count(caller);
    const account = await this.access.require(caller, accountId, 'manage');
    const stored = await this.sets.find(accountId, 'current');
    if (!stored?.accessToken) return reply(account, false, MESSAGES.no_session);
    const verdict = await this.ask(caller, account, stored);
    const isBelieved = await this.record.write(caller, { stored, status: account.status }, verdict);
    const now = await this.access.require(caller, accountId, 'manage');
    if (!isBelieved) return reply(now, false, MESSAGES.replaced);
    return reply(now, verdict.kind === 'lives', MESSAGES[verdict.kind]);
  }

  private async ask(
    caller: AuthenticatedCaller,
    { broker, brokerUserId }: AccessibleAccount,
    stored: StoredCredentials,
  ): Promise<Verdict> {
    const { apiKey, accessToken } = await this.vault.open(stored, {
      fields: ['apiKey', 'accessToken'],
      caller,
    });
    if (accessToken === null) return { kind: 'session_over' };
    try {
      const identity = await this.brokers.of(broker).profile({ apiKey, accessToken });
      return identity.brokerUserId === brokerUserId
        ? { kind: 'lives', brokerUserId }
        : { kind: 'other_user' };
    } catch (error) {
      if (error instanceof BrokerFailure && (error.kind === 'session_over' || error.kind === 'refused'))
        return { kind: error.kind };
      throw brokerError(error, 'access_token');
    }
  }
}

const MESSAGES = {
  lives: 'The session at the broker lives.',
  session_over: 'The session at the broker is over: log in again.',
  refused: 'The broker does not accept the app: rotate the credentials.',
  other_user: 'The session belongs to another user of the broker: log in again.',
  no_session: 'There is no session at the broker yet: log in first.',
  replaced: 'The session has changed meanwhile, or a login is under way: ask again.',
};

const reply = (
  { status, lastVerifiedAt }: AccessibleAccount,
  isValid: boolean,
  message: string,
): VerifiedReply => ({
  status,
  credentials_valid: isValid,
  last_verified_at: lastVerifiedAt?.toISOString() ?? null,
  message,
});
