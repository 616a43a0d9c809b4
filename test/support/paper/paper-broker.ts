import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import {
  Broker,
  BrokerApp,
  BrokerFailure,
  BrokerIdentity,
  BrokerLogin,
  BrokerSession,
} from '../../../src/trading-accounts/brokers/broker';

/** A broker that has sessions and nothing else: what a second adapter takes. A request token is whose it is. */
@Injectable()
export class PaperBroker implements Broker {
  static readonly brokerName = 'paper';
  readonly name = PaperBroker.brokerName;
  readonly longestCallMs = 100;
  private readonly sessions = new Map<string, string>();

  loginUrl(apiKey: string, returned: Record<string, string>): string {
    return `https://paper.test/login?${new URLSearchParams({ ...returned, app: apiKey }).toString()}`;
  }

  async exchange(_app: BrokerApp, requestToken: string): Promise<BrokerSession> {
    const accessToken = randomBytes(16).toString('hex');
    this.sessions.set(accessToken, requestToken);
    return { brokerUserId: requestToken, accessToken };
  }

  async profile({ accessToken }: BrokerLogin): Promise<BrokerIdentity> {
    const brokerUserId = this.sessions.get(accessToken);
    if (brokerUserId === undefined) throw new BrokerFailure('session_over', 'paper: no such session');
    return { brokerUserId };
  }

  async logout({ accessToken }: BrokerLogin): Promise<void> {
    this.sessions.delete(accessToken);
  }

  sessionEnd(from: Date): Date {
    return new Date(from.getTime() + 8 * 3_600_000);
  }
}
