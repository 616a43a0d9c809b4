import { Injectable } from '@nestjs/common';
import { Caller } from '../common/caller';
import { rateLimited } from '../common/common.errors';
import { Principal, Principals } from '../authz/principals.service';
import { EndSessions } from '../sessions/end-sessions.service';
import { RefreshTicket, RefreshTokens } from '../sessions/refresh-tokens';
import { Rotation, SessionStore } from '../sessions/session-store';
import { SettleSession } from '../sessions/settle-session.service';
import { invalidRefreshToken, refreshTokenReused } from '../sessions/sessions.errors';
import { refreshes } from './sign-in-metrics';

export interface Refreshed {
  principal: Principal;
  session: { id: string; counter: number; mfa: boolean };
  persistent: boolean;
  /** Milliseconds since the Unix epoch. */
  absoluteEnd: number;
}

/**
 * Exchanges a refresh token. One read in PostgreSQL, then one script in Redis that decides everything: in this order,
 * because a rotation whose answer can't be written would cost the client its session.
 */
@Injectable()
export class Refresh {
  constructor(
    private readonly tokens: RefreshTokens,
    private readonly principals: Principals,
    private readonly store: SessionStore,
    private readonly endSessions: EndSessions,
    private readonly settleSession: SettleSession,
  ) {}

  /** @throws invalid_refresh_token, refresh_token_reused, rate_limited */
  async run(caller: Caller, token: string): Promise<Refreshed> {
    const ticket = await this.tokens.open(token);
    const principal = ticket && (await this.principals.load(ticket.userId));
    if (!principal || !['active', 'pending_verification'].includes(principal.status)) {
      refreshes.inc({ result: 'invalid' });
      throw invalidRefreshToken();
    }
    const { userId, sessionId } = ticket;
    const rotation = await this.rotate(ticket, principal.sessionEpoch);
    refreshes.inc({ result: rotation.kind === 'missing' ? 'invalid' : rotation.kind });
    switch (rotation.kind) {
      case 'rotated':
        if (principal.mfaEnabled && !rotation.mfa) return this.refuseWithoutFactor(caller, userId, sessionId);
        return {
          principal,
          session: { id: sessionId, counter: rotation.counter, mfa: rotation.mfa },
          ...rotation,
        };
      case 'limited':
        throw rateLimited({ retryAfter: rotation.retryAfter });
      case 'missing':
        throw invalidRefreshToken();
      case 'reused':
        // Detected by the script, ended here: if PostgreSQL fails now, the next try raises the alarm again.
        await this.endSessions.run(caller, {
          userId,
          reason: 'refresh_reuse',
          ends: () => true,
          underWay: true,
        });
        throw refreshTokenReused();
    }
  }

  /** A session of an epoch that is over gets a second try where it was to stay; otherwise it is missing. */
  private async rotate(
    { userId, sessionId, counter }: RefreshTicket,
    epoch: number,
  ): Promise<Exclude<Rotation, { kind: 'stale' }>> {
    const rotate = (): Promise<Rotation> => this.store.rotate(userId, sessionId, counter, epoch);
    let rotation = await rotate();
    if (rotation.kind !== 'stale') return rotation;
    const stays = await this.settleSession.run(userId, sessionId, { from: rotation.epoch, to: epoch });
    if (stays) rotation = await rotate();
    return rotation.kind === 'stale' ? { kind: 'missing' } : rotation;
  }

  /**
   * A session from before the account had a second factor, which its end has not reached: Redis was away then, or has
   * lost its last writes.
   */
  private async refuseWithoutFactor(caller: Caller, userId: string, sessionId: string): Promise<never> {
    await this.endSessions.run(caller, {
      userId,
      reason: 'mfa_enabled',
      ends: ({ id }) => id === sessionId,
      underWay: false,
    });
    throw invalidRefreshToken();
  }
}
