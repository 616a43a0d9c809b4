import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from 'typeorm';
import { AppError } from '../../common/app-error';
import { systemCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { unavailable } from '../../common/common.errors';
import { newId } from '../../common/ids';
import { isUnavailable } from '../../infra/unavailable';
import { BrokerFailure } from '../brokers/broker';
import { Brokers } from '../brokers/brokers.service';
import { AccountStatus } from '../trading-account';
import { Turn } from './turns.service';
import { VerdictRecord } from './verdict-record';
import { CredentialSets } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';

/** As long as other logins take, and short trouble at the broker. */
const LONGEST_MS = 30_000;
const FIRST_PAUSE_MS = 100;

interface Affected {
  id: string;
  status: AccountStatus;
  /** Whether no login is under way. */
  isFree: boolean;
}

/**
 * A login that was not kept may have replaced a session of the same owner at the broker: with the same app and the same
 * user of the broker there is one at a time. Then no account must look as if it could trade.
 */
@Injectable()
export class ReplacedSession {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly brokers: Brokers,
    private readonly sets: CredentialSets,
    private readonly vault: CredentialsVault,
    private readonly record: VerdictRecord,
  ) {}

  /** As far as it can be found out in half a minute: otherwise the next call with that session tells. */
  async notice(owner: Pick<Turn, 'userId' | 'broker'>, apiKey: string, signal: AbortSignal): Promise<void> {
    const until = performance.now() + LONGEST_MS;
    for (let pauseMs = FIRST_PAUSE_MS; !(await this.isKnown(owner, apiKey)); pauseMs *= 2) {
      if (performance.now() + pauseMs > until) return;
      await sleep(pauseMs, undefined, { signal });
    }
  }

  /** Whether the broker was heard about every account with this app, and no login is under way. */
  private async isKnown(
    { userId, broker }: Pick<Turn, 'userId' | 'broker'>,
    apiKey: string,
  ): Promise<boolean> {
    try {
      const accounts = await this.db.query<Affected[]>(
        `SELECT id, status, turn_id IS NULL OR turn_ends_at <= $3 AS "isFree" FROM trading_accounts
         WHERE user_id = $1 AND broker = $2 AND status <> 'unlinked' AND (status = 'active' OR turn_id IS NOT NULL)`,
        [userId, broker, this.clock.date()],
      );
      // Another login decides first which session its account has.
      const free = accounts.filter(({ isFree }) => isFree);
      const active = free.filter(({ status }) => status === 'active');
      const known = await Promise.all(active.map(({ id }) => this.look(broker, id, apiKey).catch(isFinal)));
      return known.every(Boolean) && free.length === accounts.length;
    } catch (error) {
      return isFinal(error);
    }
  }

  /** @returns false where it changed meanwhile. @throws BrokerFailure where the broker does not say. */
  private async look(broker: string, accountId: string, apiKey: string): Promise<boolean> {
    const stored = await this.sets.find(accountId, 'current');
    if (!stored?.accessToken) return true;
    const login = await this.vault.open(stored, { fields: ['apiKey', 'accessToken'] });
    if (login.apiKey !== apiKey || login.accessToken === null) return true;
    try {
      await this.brokers.of(broker).profile({ apiKey, accessToken: login.accessToken });
      return true;
    } catch (error) {
      if (!(error instanceof BrokerFailure) || error.kind !== 'session_over') throw error;
    }
    return this.record.write(systemCaller(newId()), { stored, status: 'active' }, { kind: 'replaced' });
  }
}

/** Whether asking again would find nothing else. */
function isFinal(error: unknown): boolean {
  if (error instanceof AppError) return error.code !== unavailable.code;
  if (error instanceof BrokerFailure) return error.kind === 'refused';
  if (isUnavailable(error)) return false;
  throw error;
}
