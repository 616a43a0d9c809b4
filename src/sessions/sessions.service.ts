import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { Countries } from '../infra/geo/countries';
import { EndSessions } from './end-sessions.service';
import { Session } from './session';
import { SessionStore } from './session-store';
import { SessionItem, SessionList } from './sessions.dto';

/** People see where they are signed in, and sign out there. */
@Injectable()
export class Sessions {
  constructor(
    private readonly store: SessionStore,
    private readonly endSessions: EndSessions,
    private readonly countries: Countries,
  ) {}

  async list(caller: AuthenticatedCaller): Promise<SessionList> {
    return this.ofUser(caller.userId, caller.sessionId);
  }

  /** Where anybody is signed in, for whoever has asked whether the caller may see it. */
  async ofUser(userId: string, currentId?: string): Promise<SessionList> {
    const sessions = await this.store.list(userId);
    return {
      sessions: sessions.map((session) => this.item(session, currentId)),
      total: sessions.length,
    };
  }

  /** @throws not_found also where the session is somebody else's. */
  async end(caller: AuthenticatedCaller, sessionId: string): Promise<void> {
    const ended = await this.endSessions.run(caller, {
      userId: caller.userId,
      reason: 'revoked_by_user',
      ends: (session) => session.id === sessionId,
      underWay: false,
    });
    if (ended.length === 0) throw notFound();
  }

  private item(session: Session, currentId: string | undefined): SessionItem {
    const { about } = session;
    return {
      session_id: session.id,
      device_fingerprint: about.fingerprint,
      user_agent: about.userAgent,
      ip: about.ip,
      country: this.countries.of(about.ip),
      created_at: new Date(about.createdAt).toISOString(),
      last_active_at: new Date(session.lastActiveAt).toISOString(),
      expires_at: new Date(session.expiresAt).toISOString(),
      mfa_verified: session.mfa,
      current: session.id === currentId,
    };
  }
}
