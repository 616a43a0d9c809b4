import { createHash, timingSafeEqual } from 'node:crypto';
import { CallBudget } from './call-budget';
import { inputError, KiteError, tokenError, tooMany } from './kite-error';
import { KiteState, randomText } from './kite-state';

export interface ApiRequest {
  method: string;
  url: URL;
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

type Route = (request: ApiRequest) => unknown;

/** Kite Connect's calls for sessions, by its rules. See https://kite.trade/docs/connect/v3/user/ */
export class KiteApi {
  private readonly routes: Record<string, Record<string, Route>> = {
    '/session/token': {
      POST: (request) => this.exchange(request),
      DELETE: (request) => this.logout(request),
    },
    '/user/profile': { GET: (request) => this.profile(request) },
  };

  constructor(
    private readonly state: KiteState,
    private readonly budget: CallBudget,
    private readonly now: () => number,
  ) {}

  has(path: string): boolean {
    return path in this.routes;
  }

  /** @throws KiteError */
  answer(request: ApiRequest): unknown {
    const route = this.routes[request.url.pathname]?.[request.method];
    if (!route) throw new KiteError(405, 'GeneralException', 'Method not allowed');
    if (request.headers['x-kite-version'] !== '3') throw inputError('Missing or invalid `X-Kite-Version`.');
    return route(request);
  }

  private exchange({ headers, body }: ApiRequest): object {
    if (!String(headers['content-type']).startsWith('application/x-www-form-urlencoded'))
      throw inputError('The body must be form-encoded.');
    const form = new URLSearchParams(body);
    const apiKey = needed(form, 'api_key');
    const requestToken = needed(form, 'request_token');
    const checksum = needed(form, 'checksum');
    this.spend(apiKey);
    const app = this.state.findApp(apiKey);
    if (!app) throw inputError('Invalid `api_key`.');
    const expected = createHash('sha256')
      .update(apiKey + requestToken + app.apiSecret)
      .digest('hex');
    if (!isSame(checksum, expected)) throw inputError('Invalid `checksum`.');
    const { userId, accessToken } = this.state.begin(apiKey, requestToken);
    return {
      ...identity(userId),
      api_key: apiKey,
      access_token: accessToken,
      public_token: randomText(32),
      refresh_token: '',
      login_time: indianTime(this.now()),
    };
  }

  private profile({ headers }: ApiRequest): object {
    const [, apiKey, accessToken] = /^token ([^\s:]+):([^\s:]+)$/.exec(String(headers.authorization)) ?? [];
    if (apiKey === undefined || accessToken === undefined)
      throw tokenError('Incorrect `api_key` or `access_token`.');
    this.spend(apiKey);
    return identity(this.state.require(apiKey, accessToken).userId);
  }

  private logout({ url: { searchParams } }: ApiRequest): true {
    const apiKey = needed(searchParams, 'api_key');
    const accessToken = needed(searchParams, 'access_token');
    this.spend(apiKey);
    this.state.end(apiKey, accessToken);
    return true;
  }

  private spend(apiKey: string): void {
    if (!this.budget.spend(apiKey)) throw tooMany();
  }
}

function needed(fields: URLSearchParams, name: string): string {
  const value = fields.get(name);
  if (!value) throw inputError(`Missing \`${name}\`.`);
  return value;
}

function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

const identity = (userId: string): object => ({
  user_id: userId,
  user_type: 'individual',
  email: `${userId.toLowerCase()}@sandbox.invalid`,
  user_name: `Sandbox User ${userId}`,
  user_shortname: 'Sandbox',
  broker: 'ZERODHA',
  exchanges: ['NSE', 'BSE', 'NFO'],
  products: ['CNC', 'NRML', 'MIS'],
  order_types: ['MARKET', 'LIMIT', 'SL', 'SL-M'],
  avatar_url: null,
  meta: { demat_consent: 'physical' },
});

/** As Kite writes times: no zone, and India's clock. */
const indianTime = (at: number): string =>
  new Date(at + 5.5 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
