import { parsedUrl } from '../../common/parsed-url';
import { KiteState, SandboxApp } from './kite-state';
import { failurePage, finishedPage, homePage, loginPage, pageHeaders } from './sandbox-page';
import type { ApiRequest } from './kite-api';

export interface SiteAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export const LOGIN_PATH = '/connect/login';
const FINISHED_PATH = '/connect/finished';
const USER_ID = /^[A-Z0-9]{2,10}$/;
/** What Kite says itself; an app cannot have it said otherwise. */
const KITES_OWN = ['action', 'type', 'status', 'request_token'];

/** What a person sees of Kite: the login, and the developer's list of apps. */
export class SandboxSite {
  /** @param redirectUrl of new apps that name none. */
  constructor(
    private readonly state: KiteState,
    private readonly url: string,
    private readonly redirectUrl: string = url + FINISHED_PATH,
  ) {}

  newApp(redirectUrl = this.redirectUrl): SandboxApp {
    return this.state.newApp(redirectUrl);
  }

  /** Undefined where there is nothing at this path. */
  answer(request: ApiRequest): SiteAnswer | undefined {
    const { method, url, headers } = request;
    if (method === 'POST' && !isOwnForm(headers))
      return html(403, failurePage('This came from another site.'));
    switch (`${method} ${url.pathname}`) {
      case 'GET /':
        return html(200, homePage(this.state.listApps(), this.url));
      case 'POST /':
        if (new URLSearchParams(request.body).get('do') === 'expire') this.state.endAll();
        else this.newApp();
        return { status: 303, headers: { location: '/' }, body: '' };
      case 'POST /sandbox/apps':
        return this.createApp(request.body);
      case `GET ${LOGIN_PATH}`:
      case `POST ${LOGIN_PATH}`:
        return this.login(request);
      case `GET ${FINISHED_PATH}`:
        return html(200, finishedPage(url.searchParams.get('request_token') ?? ''));
      default:
        return undefined;
    }
  }

  private createApp(body: string): SiteAnswer {
    const redirectUrl = redirectUrlIn(body);
    if (redirectUrl === null) return json(400, { message: '`redirect_url` must be an http(s) URL.' });
    const app = this.newApp(redirectUrl);
    return json(201, { api_key: app.apiKey, api_secret: app.apiSecret, redirect_url: app.redirectUrl });
  }

  private login({ method, url, body }: ApiRequest): SiteAnswer {
    const app = this.state.findApp(url.searchParams.get('api_key'));
    if (url.searchParams.get('v') !== '3') return html(400, failurePage('Only v=3 is spoken here.'));
    if (!app) return html(400, failurePage('There is no app with this `api_key`.'));
    const target = new URL(app.redirectUrl);
    if (method === 'GET') return html(200, loginPage(app, this.known(app)), target.origin);
    const userId = (new URLSearchParams(body).get('user_id') ?? '').trim().toUpperCase();
    if (!USER_ID.test(userId)) {
      const problem = 'A user ID has 2 to 10 letters and digits, for example AB1234.';
      return html(400, loginPage(app, this.known(app), problem), target.origin);
    }
    for (const [name, value] of new URLSearchParams(url.searchParams.get('redirect_params') ?? ''))
      if (!KITES_OWN.includes(name)) target.searchParams.append(name, value);
    const said = { action: 'login', type: 'login', status: 'success' };
    for (const [name, value] of Object.entries(said)) target.searchParams.set(name, value);
    target.searchParams.set('request_token', this.state.newRequestToken(app.apiKey, userId));
    return {
      status: 302,
      headers: { location: target.href, 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' },
      body: '',
    };
  }

  /** Who has logged in before: with this app first, newest first. */
  private known({ apiKey }: SandboxApp): string[] {
    const newest = this.state.sessions().reverse();
    const own = newest.filter((session) => session.apiKey === apiKey);
    return [...new Set([...own, ...newest].map(({ userId }) => userId))];
  }
}

/** Another site must not have the browser log in, or make apps: forms come from these pages, or from no browser. */
function isOwnForm({ origin, host, 'sec-fetch-site': site }: ApiRequest['headers']): boolean {
  if (site !== undefined) return site === 'same-origin';
  return origin === undefined || origin === `http://${String(host)}`;
}

/** Undefined where none is named; null where it is none. */
function redirectUrlIn(body: string): string | null | undefined {
  if (body.trim() === '') return undefined;
  try {
    const { redirect_url: url } = JSON.parse(body) as { redirect_url?: unknown };
    if (url === undefined) return undefined;
    return typeof url === 'string' && /^https?:$/.test(parsedUrl(url)?.protocol ?? '') ? url : null;
  } catch {
    return null;
  }
}

const html = (status: number, body: string, formTarget?: string): SiteAnswer => ({
  status,
  headers: pageHeaders(formTarget),
  body,
});

const json = (status: number, body: object): SiteAnswer => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  body: JSON.stringify(body),
});
