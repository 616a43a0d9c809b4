/** A session as the store keeps it. Times are milliseconds since the Unix epoch. */
export interface Session {
  id: string;
  userId: string;
  /** Number of the refresh token in force. */
  counter: number;
  /** When it last changed hands. */
  rotatedAt: number;
  lastActiveAt: number;
  /** End without further activity; never after `absoluteEnd`. */
  expiresAt: number;
  absoluteEnd: number;
  /** `users.session_epoch` at sign-in: a session of an older epoch is over. */
  epoch: number;
  /** Outlives the browser: 90 days instead of one. */
  persistent: boolean;
  /** Whether a second factor was proved. */
  mfa: boolean;
  about: SessionAbout;
}

/** What a person recognises a session by. */
export interface SessionAbout {
  createdAt: number;
  ip: string;
  userAgent: string | null;
  fingerprint: string | null;
}
