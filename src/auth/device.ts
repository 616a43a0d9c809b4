import { createHash } from 'node:crypto';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';

/** What a device is recognised by: its fingerprint where the client sends one, else its user agent. */
export function deviceHash(caller: Caller, fingerprint: string | undefined): Buffer {
  return createHash('sha256')
    .update(fingerprint === undefined ? `ua:${caller.userAgent ?? ''}` : `fp:${fingerprint}`)
    .digest();
}

const MOST_DEVICES = 50;

export interface SeenDevice {
  /** The account has been used before, but never from this one. */
  isNew: boolean;
  /** New devices of the account within a day, this one included. */
  newToday: number;
}

/** Of one that has just been remembered for the first time: what it is among the others, of which the oldest may go. */
export async function amongOthers(tx: EntityManager, userId: string, at: Date): Promise<SeenDevice> {
  const [row] = await tx.query<{ all: number; today: number }[]>(
    `SELECT count(*)::int AS all,
       (count(*) FILTER (WHERE first_seen_at > $2::timestamptz - interval '1 day'))::int AS today
     FROM known_devices WHERE user_id = $1`,
    [userId, at],
  );
  const { all, today } = row!;
  if (all > MOST_DEVICES) await forgetOldest(tx, userId);
  return { isNew: all > 1, newToday: today };
}

async function forgetOldest(tx: EntityManager, userId: string): Promise<void> {
  await tx.query(
    `DELETE FROM known_devices WHERE user_id = $1 AND device_hash IN (
       SELECT device_hash FROM known_devices WHERE user_id = $1 ORDER BY last_seen_at DESC OFFSET $2)`,
    [userId, MOST_DEVICES],
  );
}
