import { Session } from './session';

/** What of a session its scripts read and write, as one text of numbers; see `session-scripts.ts` for their order. */
export type SessionState = Omit<Session, 'id' | 'userId' | 'about'>;

/** Of a session that opens: it has not been refreshed yet. */
export function writeState(session: SessionState): string {
  const { counter, rotatedAt, lastActiveAt, expiresAt, absoluteEnd, epoch, persistent, mfa } = session;
  return [
    counter,
    rotatedAt,
    lastActiveAt,
    expiresAt,
    absoluteEnd,
    epoch,
    Number(persistent),
    Number(mfa),
    lastActiveAt,
    0,
  ].join(' ');
}

export function readState(state: string): SessionState {
  const [
    counter = 0,
    rotatedAt = 0,
    lastActiveAt = 0,
    expiresAt = 0,
    absoluteEnd = 0,
    epoch = 0,
    persistent = 0,
    mfa = 0,
  ] = state.split(' ').map(Number);
  return {
    counter,
    rotatedAt,
    lastActiveAt,
    expiresAt,
    absoluteEnd,
    epoch,
    persistent: persistent === 1,
    mfa: mfa === 1,
  };
}
