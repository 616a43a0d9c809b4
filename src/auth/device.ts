import { createHash } from 'node:crypto';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';

/** What a device is recognised by: its fingerprint where the client sends one, else its user agent. */
function deviceHash(caller: Caller, fingerprint: string | undefined): Buffer {
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

/** Remembers the device of a sign-in. */
export async function rememberDevice(
  tx: EntityManager,
  caller: Caller,
  { userId, fingerprint, at }: { userId: string; fingerprint: string | undefined; at: Date },
): Promise<SeenDevice> {
  const [row] = await tx.query<{ inserted: boolean; others: number; today: number }[]>(
    `INSERT INTO known_devices AS known (user_id, device_hash, first_seen_at, last_seen_at)
     VALUES ($1, $2, $3, $3)
     ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen_at = excluded.last_seen_at
     RETURNING known.first_seen_at = known.last_seen_at AS inserted,
       (SELECT count(*)::int FROM known_devices WHERE user_id = $1) AS others,
       (SELECT count(*)::int FROM known_devices
        WHERE user_id = $1 AND first_seen_at > $3::timestamptz - interval '1 day') AS today`,
    [userId, deviceHash(caller, fingerprint), at],
  );
  // The subqueries see the table as it was before this statement.
  const { inserted = false, others = 0, today = 0 } = row ?? {};
  if (inserted && others >= MOST_DEVICES) await forgetOldest(tx, userId);
  return { isNew: inserted && others > 0, newToday: today + 1 };
}

async function forgetOldest(tx: EntityManager, userId: string): Promise<void> {
  await tx.query(
    `DELETE FROM known_devices WHERE user_id = $1 AND device_hash IN (
       SELECT device_hash FROM known_devices WHERE user_id = $1 ORDER BY last_seen_at DESC OFFSET $2)`,
    [userId, MOST_DEVICES],
  );
}
