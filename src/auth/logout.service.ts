import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { LogoutBody, LogoutReply } from './auth.dto';

/** Signs out: this session, or all of them. */
@Injectable()
export class Logout {
  constructor(
    private readonly endSessions: EndSessions,
    private readonly events: Events,
  ) {}

  async run(caller: AuthenticatedCaller, { all_devices }: LogoutBody): Promise<LogoutReply> {
    const { userId, sessionId } = caller;
    const ended = await this.endSessions.run(
      caller,
      all_devices
        ? { userId, reason: 'logout_all', ends: () => true, underWay: true }
        : { userId, reason: 'logout', ends: (session) => session.id === sessionId, underWay: false },
      (tx) =>
        this.events.record(tx, caller, {
          type: 'user.logout',
          subject: `user:${userId}`,
          data: { session_id: sessionId, all_devices },
        }),
    );
    return {
      message: all_devices ? 'Signed out everywhere.' : 'Signed out.',
      sessions_revoked: ended.length,
    };
  }
}
