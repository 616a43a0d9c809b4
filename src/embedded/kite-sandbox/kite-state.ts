import { randomInt } from 'node:crypto';
import { tokenError } from './kite-error';
import { loginDay } from './login-day';

const REQUEST_TOKEN_LIFE_MS = 5 * 60_000;
/** So many sessions, and those that are over are forgotten. */
const MOST_SESSIONS = 1_000;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

export interface SandboxApp {
  apiKey: string;
  apiSecret: string;
  /** Where the browser is sent after a login. */
  redirectUrl: string;
}

export interface SandboxSession {
  apiKey: string;
  userId: string;
  accessToken: string;
  /** Milliseconds since the epoch. */
  begun: number;
}

/** What outlives a restart. */
export interface KeptState {
  apps: SandboxApp[];
  sessions: SandboxSession[];
}

interface RequestToken {
  apiKey: string;
  userId: string;
  expires: number;
}

/** Apps, request tokens and sessions, and Kite's rules for how long and how often they are good. */
export class KiteState {
  private readonly requestTokens = new Map<string, RequestToken>();
  private apps: SandboxApp[];
  private begun: SandboxSession[];
  private readonly over = new Set<SandboxSession>();

  /** @param onChange hears of what there is to keep. */
  constructor(
    private readonly now: () => number,
    kept: KeptState = { apps: [], sessions: [] },
    private readonly onChange: (state: KeptState) => void = () => undefined,
  ) {
    this.apps = [...kept.apps];
    this.begun = [...kept.sessions];
  }

  newApp(redirectUrl: string): SandboxApp {
    const app = { apiKey: randomText(16), apiSecret: randomText(32), redirectUrl };
    this.apps.push(app);
    this.keep();
    return app;
  }

  /** Newest first. */
  listApps(): SandboxApp[] {
    return this.apps.toReversed();
  }

  findApp(apiKey: string | null): SandboxApp | undefined {
    return this.apps.find((app) => app.apiKey === apiKey);
  }

  /** What a login gives: good once, for one app, for minutes. */
  newRequestToken(apiKey: string, userId: string): string {
    const token = randomText(32);
    for (const [old, { expires }] of this.requestTokens)
      if (expires <= this.now()) this.requestTokens.delete(old);
    this.requestTokens.set(token, { apiKey, userId, expires: this.now() + REQUEST_TOKEN_LIFE_MS });
    return token;
  }

  /**
   * Uses a request token up. The session of this user with this app before is over; those of other users with the same
   * app live on, as with Kite's apps for many users. @throws TokenException
   */
  begin(apiKey: string, requestToken: string): SandboxSession {
    const login = this.requestTokens.get(requestToken);
    if (login?.apiKey !== apiKey || login.expires <= this.now())
      throw tokenError('Token is invalid or has expired.');
    this.requestTokens.delete(requestToken);
    const { userId } = login;
    for (const old of this.begun) if (old.apiKey === apiKey && old.userId === userId) this.over.add(old);
    if (this.begun.length >= MOST_SESSIONS) this.forgetOver();
    const session = { apiKey, userId, accessToken: randomText(32), begun: this.now() };
    this.begun.push(session);
    this.keep();
    return session;
  }

  /** @throws TokenException */
  require(apiKey: string, accessToken: string): SandboxSession {
    const session = this.begun.find((one) => one.accessToken === accessToken);
    if (session?.apiKey !== apiKey || !this.isAlive(session))
      throw tokenError('Incorrect `api_key` or `access_token`.');
    return session;
  }

  /** @throws TokenException */
  end(apiKey: string, accessToken: string): void {
    this.over.add(this.require(apiKey, accessToken));
    this.keep();
  }

  endAll(): void {
    for (const session of this.begun) this.over.add(session);
    this.keep();
  }

  sessions(): (SandboxSession & { alive: boolean })[] {
    return this.begun.map((session) => ({ ...session, alive: this.isAlive(session) }));
  }

  private isAlive(session: SandboxSession): boolean {
    return !this.over.has(session) && loginDay(session.begun) === loginDay(this.now());
  }

  private forgetOver(): void {
    this.begun = this.begun.filter((session) => this.isAlive(session));
    this.over.clear();
  }

  private keep(): void {
    this.onChange({ apps: this.apps, sessions: this.begun.filter((session) => this.isAlive(session)) });
  }
}

/** As Kite's keys and tokens look. */
export const randomText = (length: number): string =>
  Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
