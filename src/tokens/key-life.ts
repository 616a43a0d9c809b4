import { KeyUse } from './signing-key.entity';

export type KeyStatus = 'pending' | 'active' | 'retiring' | 'retired' | 'revoked';

export interface KeyTimes {
  kid: string;
  use: KeyUse;
  activatesAt: Date;
  revokedAt: Date | null;
}

/**
 * A key's status follows from the times of all keys of its use, so nothing has to be flipped on time:
 * `pending` until it activates, `active` until the next one does, `retiring` until the last token it signed is over.
 * @param tokenLife milliseconds that the longest-lived token of this use is good for.
 */
export function keyStatus(
  key: KeyTimes,
  all: readonly KeyTimes[],
  now: number,
  tokenLife: number,
): KeyStatus {
  if (key.revokedAt && key.revokedAt.getTime() <= now) return 'revoked';
  const activates = key.activatesAt.getTime();
  if (activates > now) return 'pending';
  const successors = all.filter(
    (other) =>
      other.use === key.use &&
      other.kid !== key.kid &&
      other.activatesAt.getTime() > activates &&
      other.activatesAt.getTime() <= now,
  );
  if (successors.every((other) => other.revokedAt)) return 'active';
  // Also by one that signed for a while and was revoked then: what it ended does not come back.
  const ended = successors
    .filter((other) => !other.revokedAt || other.activatesAt < other.revokedAt)
    .reduce((earliest, other) => Math.min(earliest, other.activatesAt.getTime()), Infinity);
  return now < ended + tokenLife ? 'retiring' : 'retired';
}
