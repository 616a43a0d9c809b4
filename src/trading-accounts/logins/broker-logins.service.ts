import { Inject, Injectable, Logger } from '@nestjs/common';
import { IdentifiedCaller } from '../../common/caller';
import { CONFIG, Config } from '../../config/config';
import { Limit, Limits } from '../../infra/limits/limits';
import { failureReason } from '../../infra/logging/failure-reason';
import { brokerError } from './broker-error';
import { BrokerApp, BrokerLogin, BrokerSession } from '../brokers/broker';
import { Brokers } from '../brokers/brokers.service';

/** What proves a login: a token to exchange, or a session that somebody has opened elsewhere. */
export type LoginToken = { requestToken: string } | { accessToken: string };

/** A session at a broker that is to end. */
export interface OpenSession {
  broker: string;
  login: BrokerLogin;
}

/** The broker, as the life cycle asks it: limited for each user, its failures as errors of ours. */
@Injectable()
export class BrokerLogins {
  private readonly logger = new Logger('TradingAccounts');
  private readonly limit: Limit;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly limits: Limits,
    private readonly brokers: Brokers,
  ) {
    this.limit = {
      name: 'broker-calls',
      points: config.RATELIMIT_BROKER_CALLS,
      seconds: config.RATELIMIT_BROKER_WINDOW_MINUTES * 60,
    };
  }

  /** @throws rate_limited */
  async count({ userId }: IdentifiedCaller): Promise<void> {
    await this.limits.consume([this.limit, userId]);
  }

  /** @throws broker_refused, broker_unavailable, broker_bad_answer */
  async prove(broker: string, app: BrokerApp, token: LoginToken): Promise<BrokerSession> {
    try {
      if ('requestToken' in token) return await this.brokers.of(broker).exchange(app, token.requestToken);
      const { accessToken } = token;
      const identity = await this.brokers.of(broker).profile({ apiKey: app.apiKey, accessToken });
      return { ...identity, accessToken };
    } catch (error) {
      throw brokerError(error, 'requestToken' in token ? 'request_token' : 'access_token');
    }
  }

  /** Ends a session as far as that is possible now; never throws. @returns whether it is over. */
  async logOut({ broker, login }: OpenSession): Promise<boolean> {
    try {
      await this.brokers.of(broker).logout(login);
      return true;
    } catch (error) {
      this.logger.warn(`a session at ${broker} could not be ended: ${failureReason(error)}`);
      return false;
    }
  }
}
