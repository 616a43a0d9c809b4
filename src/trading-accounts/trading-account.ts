export const ACCOUNT_STATUSES = [
  'pending_login',
  'active',
  'session_expired',
  'invalid',
  'unlinked',
] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

/** What somebody may do with an account. Who owns it may do all three, and whatever else there is. */
export const ACCOUNT_PERMISSIONS = ['view', 'trade', 'manage'] as const;
export type AccountPermission = (typeof ACCOUNT_PERMISSIONS)[number];

/** An account at a broker that somebody has linked. */
export interface TradingAccount {
  id: string;
  /** The owner. */
  userId: string;
  broker: string;
  /** As the broker names them; null until a login has proved it. */
  brokerUserId: string | null;
  nickname: string | null;
  preferences: Record<string, unknown>;
  status: AccountStatus;
  createdAt: Date;
  /** When a login first proved it. */
  linkedAt: Date | null;
  lastVerifiedAt: Date | null;
  /** A hint for people; the broker's refusal is the truth. */
  sessionExpiresAt: Date | null;
  /** Of the credentials in force; while there are none, of those that wait for a login. */
  apiKeyMasked: string;
  /** Whether new credentials wait for the login that proves them. */
  hasStaged: boolean;
}

/** As somebody who has access sees it. */
export interface AccessibleAccount extends TradingAccount {
  isOwner: boolean;
  /** What the caller may do with it. */
  permissions: AccountPermission[];
}
