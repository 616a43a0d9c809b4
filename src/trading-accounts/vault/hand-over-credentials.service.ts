import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../../authz/require-permission';
import { IdentifiedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { notFound } from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import { Limit, Limits } from '../../infra/limits/limits';
import { BrokerCredentials } from './credentials.dto';
import { AccountStatus } from '../trading-account';
import { apiKeyRequired, noBrokerSession } from '../trading-accounts.errors';
import { AuditedCredentials } from './audited-credentials.service';
import { STORED_COLUMNS, StoredCredentials } from './credential-sets';

interface Row extends StoredCredentials {
  broker: string;
  brokerUserId: string | null;
  status: AccountStatus;
  sessionExpiresAt: Date | null;
}

/** The account, its owner and the credentials in force in one question: services ask before each order. */
const READ = `
  SELECT ${STORED_COLUMNS}, account.broker, account.broker_user_id AS "brokerUserId", account.status,
         account.session_expires_at AS "sessionExpiresAt"
  FROM trading_accounts account
  JOIN users owner ON owner.id = account.user_id AND owner.deleted_at IS NULL
    AND owner.status IN ('active', 'pending_verification')
  LEFT JOIN trading_credentials credentials
    ON credentials.trading_account_id = account.id AND credentials.state = 'current'
  WHERE account.id = $1 AND account.status <> 'unlinked'`;

/**
 * Gives services the session of an account at its broker. It asks for an API key: a person's session would make the
 * secrets readable by any script in their browser. The secret of the app never leaves this way, for who trades needs none.
 */
@Injectable()
export class HandOverCredentials {
  private readonly limit: Limit;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly limits: Limits,
    private readonly credentials: AuditedCredentials,
  ) {
    this.limit = {
      name: 'credentials-reads',
      points: config.RATELIMIT_CREDENTIALS_READS,
      seconds: config.RATELIMIT_CREDENTIALS_WINDOW_MINUTES * 60,
    };
  }

  /**
   * @param request.isFromBrowser whether the request shows any sign of one.
   * @throws permission_denied, api_key_required, rate_limited, not_found, no_broker_session, credentials_damaged,
   * unavailable
   */
  async run(
    caller: IdentifiedCaller,
    accountId: string,
    { reason, isFromBrowser }: { reason: string; isFromBrowser: boolean },
  ): Promise<BrokerCredentials> {
    requirePermission(caller, 'trading_credentials:read');
    if (caller.apiKeyId === undefined || isFromBrowser) throw apiKeyRequired();
    // Of the service, whichever of its keys: it can have fifty.
    await this.limits.consume([this.limit, caller.userId]);
    const stored = await this.readLive(accountId);
    const { apiKey, accessToken } = await this.credentials.open(caller, stored, {
      fields: ['apiKey', 'accessToken'],
      reason,
    });
    // Gone since it was read.
    if (accessToken === null) throw noBrokerSession();
    return {
      trading_account_id: accountId,
      broker: stored.broker,
      broker_user_id: stored.brokerUserId,
      api_key: apiKey,
      access_token: accessToken,
      session_expires_at: stored.sessionExpiresAt?.toISOString() ?? null,
      status: 'active',
    };
  }

  private async readLive(accountId: string): Promise<Row & { brokerUserId: string }> {
    const [row] = await this.db.query<Row[]>(READ, [accountId]);
    if (!row) throw notFound();
    const { brokerUserId, sessionExpiresAt } = row;
    const isOver = sessionExpiresAt !== null && sessionExpiresAt <= this.clock.date();
    if (row.status !== 'active' || brokerUserId === null || isOver || !row.accessToken)
      throw noBrokerSession();
    return { ...row, brokerUserId };
  }
}
