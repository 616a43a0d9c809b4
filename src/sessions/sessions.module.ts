/**
 * Sessions: open, rotate, list, end. It refuses to judge who may open one, and never extends a session's absolute end.
 */
import { Module } from '@nestjs/common';
import { Countries } from '../infra/geo/countries';
import { TokensModule } from '../tokens/tokens.module';
import { EndSessions } from './end-sessions.service';
import { KnownRevocations } from './known-revocations';
import { RefreshTokens } from './refresh-tokens';
import { RevocationEffect } from './revocation-effect';
import { SessionGate } from './session-gate';
import { SessionStore } from './session-store';
import { SessionsController } from './sessions.controller';
import { SettleSession } from './settle-session.service';
import { Sessions } from './sessions.service';

@Module({
  imports: [TokensModule],
  controllers: [SessionsController],
  providers: [
    SessionStore,
    SessionGate,
    KnownRevocations,
    EndSessions,
    RefreshTokens,
    Sessions,
    SettleSession,
    RevocationEffect,
    Countries,
  ],
  exports: [SessionStore, SessionGate, EndSessions, RefreshTokens, Sessions, SettleSession],
})
export class SessionsModule {}
