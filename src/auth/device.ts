import { createHash } from 'node:crypto';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';

/** What a device is recognised by: its fingerprint where the client sends one, else its user agent. */
function deviceHash(caller: Caller, fingerprint: string | undefined): Buffer {
  return createHash('sha256')
    .update(fingerprint === undefined ? `ua:${caller.userAgent ?? ''}` : `fp:${fingerprint}`)
    .digest();
}

/** Remembers the device of a sign-in. True where the account has been used before, but never from this one. */
export async function isNewDevice(
  tx: EntityManager,
  caller: Caller,
  { userId, fingerprint, at }: { userId: string; fingerprint: string | undefined; at: Date },
): Promise<boolean> {
  const [row] = await tx.query<{ inserted: boolean; others: boolean }[]>(
    `INSERT INTO known_devices AS known (user_id, device_hash, first_seen_at, last_seen_at)
     VALUES ($1, $2, $3, $3)
     ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen_at = excluded.last_seen_at
     RETURNING known.first_seen_at = known.last_seen_at AS inserted,
       EXISTS (SELECT FROM known_devices WHERE user_id = $1) AS others`,
    [userId, deviceHash(caller, fingerprint), at],
  );
  // The subquery sees the table as it was before this statement.
  return row !== undefined && row.inserted && row.others;
}
