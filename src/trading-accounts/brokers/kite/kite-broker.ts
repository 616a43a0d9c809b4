import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CONFIG, Config } from '../../../config/config';
import { Broker, BrokerApp, BrokerFailure, BrokerIdentity, BrokerLogin, BrokerSession } from '../broker';
import { BrokerCalls } from '../broker-calls';
import { BrokerOperation } from '../broker-metrics';
import { logoutData, profileData, readAnswer, sessionData } from './kite-answer';
import { KiteRequest, sendToKite } from './kite-http';
import { nextSixInIndia } from './session-end';

/** What goes into a header or an address; anything else is no credential of Kite's. */
const CREDENTIAL = /^[\x21-\x7e]{1,512}$/;

/**
 * Zerodha's Kite Connect, version 3: https://kite.trade/docs/connect/v3/user/. `KITE_API_TIMEOUT_SECONDS` is for a call
 * with its retries, of which reads and logouts have at most `KITE_API_MAX_RETRIES`.
 */
@Injectable()
export class KiteBroker implements Broker {
  static readonly brokerName = 'kite';
  readonly name = KiteBroker.brokerName;
  readonly longestCallMs: number;
  private readonly calls: BrokerCalls;

  constructor(@Inject(CONFIG) private readonly config: Config) {
    this.longestCallMs = config.KITE_API_TIMEOUT_SECONDS * 1000;
    this.calls = new BrokerCalls(this.name, {
      timeoutMs: this.longestCallMs,
      maxRetries: config.KITE_API_MAX_RETRIES,
    });
  }

  loginUrl(apiKey: string, returned: Record<string, string>): string {
    const url = new URL(this.config.KITE_LOGIN_URL || 'https://kite.zerodha.com/connect/login');
    url.search = new URLSearchParams({
      v: '3',
      api_key: apiKey,
      redirect_params: new URLSearchParams(returned).toString(),
    }).toString();
    return url.href;
  }

  async exchange({ apiKey, apiSecret }: BrokerApp, requestToken: string): Promise<BrokerSession> {
    const checksum = createHash('sha256')
      .update(apiKey + requestToken + apiSecret)
      .digest('hex');
    const form = { api_key: apiKey, request_token: requestToken, checksum };
    const session = await this.ask(
      'exchange',
      { method: 'POST', path: '/session/token', form },
      sessionData.refine((data) => data.api_key === apiKey),
    );
    return { brokerUserId: session.user_id, accessToken: session.access_token };
  }

  async profile({ apiKey, accessToken }: BrokerLogin): Promise<BrokerIdentity> {
    requireCredentials(apiKey, accessToken);
    const headers = { Authorization: `token ${apiKey}:${accessToken}` };
    const profile = await this.ask('profile', { method: 'GET', path: '/user/profile', headers }, profileData);
    return { brokerUserId: profile.user_id };
  }

  async logout({ apiKey, accessToken }: BrokerLogin): Promise<void> {
    const query = { api_key: apiKey, access_token: accessToken };
    try {
      await this.ask('logout', { method: 'DELETE', path: '/session/token', query }, logoutData);
    } catch (error) {
      if (!(error instanceof BrokerFailure) || error.kind !== 'session_over') throw error;
    }
  }

  sessionEnd(from: Date): Date {
    return nextSixInIndia(from);
  }

  private async ask<T>(operation: BrokerOperation, request: KiteRequest, shape: z.ZodType<T>): Promise<T> {
    const baseUrl = this.config.KITE_API_BASE_URL;
    if (!baseUrl)
      throw new BrokerFailure('unavailable', 'kite: KITE_API_BASE_URL is not set', { because: 'left_alone' });
    return this.calls.run(operation, request.method !== 'POST', async (signal) =>
      readAnswer(await sendToKite(baseUrl, request, signal), shape),
    );
  }
}

/** @throws BrokerFailure without what it looked at, which an error of the HTTP client would repeat. */
function requireCredentials(apiKey: string, accessToken: string): void {
  if (!CREDENTIAL.test(apiKey) || apiKey.includes(':'))
    throw new BrokerFailure('refused', 'kite: an API key of another form');
  if (!CREDENTIAL.test(accessToken))
    throw new BrokerFailure('session_over', 'kite: an access token of another form');
}
