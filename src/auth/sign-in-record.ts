import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Principal, Principals } from '../authz/principals.service';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { AccountMails } from '../identities/account-mails.service';
import { Events, Happening } from '../infra/events/events';
import { SecondFactorMethod, SignInMethod } from '../infra/events/event-types';
import { Session } from '../sessions/session';
import { AppError } from '../common/app-error';
import { invalidOauthState } from '../oauth/oauth.errors';
import { invalidCredentials, invalidMfaToken } from './auth.errors';
import { amongOthers, deviceHash, SeenDevice } from './device';
import { newDeviceMail } from './new-device.mail';

const MOST_MAILS_A_DAY = 10;

export interface Proved {
  userId: string;
  /** `users.session_epoch` as it was when the proof was checked. */
  epoch: number;
  method: SignInMethod;
  /** What the second factor was proved with; absent where none was. */
  secondFactor?: SecondFactorMethod;
}

export interface Wish {
  persistent: boolean;
  fingerprint?: string;
}

/** Looks at the account once more, and remembers the device. */
const ADMIT = `
  WITH admitted AS (
    UPDATE users SET last_login_at = $3
    WHERE id = $1 AND session_epoch = $2 AND (NOT mfa_enabled OR $4)
      AND kind = 'person' AND status IN ('active', 'pending_verification') AND deleted_at IS NULL
    RETURNING id
  )
  INSERT INTO known_devices AS known (user_id, device_hash, first_seen_at, last_seen_at)
  SELECT id, $5, $3, $3 FROM admitted
  ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen_at = excluded.last_seen_at
  RETURNING known.first_seen_at = known.last_seen_at AS inserted`;

/**
 * What a sign-in leaves in PostgreSQL. Its one condition holds for every way to sign in: nothing has ended the user's
 * sessions since the proof, and an account with a second factor is entered with it.
 */
@Injectable()
export class SignInRecord {
  constructor(
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly principals: Principals,
    private readonly mails: AccountMails,
  ) {}

  /** @throws what `overtaken` says, when the account changed in the meantime. */
  async confirm(
    tx: EntityManager,
    caller: Caller,
    { proved, wish, session, evicted }: { proved: Proved; wish: Wish; session: Session; evicted: string[] },
  ): Promise<Principal> {
    const { userId, method, secondFactor } = proved;
    const at = this.clock.date();
    const device = await this.admit(tx, proved, deviceHash(caller, wish.fingerprint), at);
    const principal = device && (await this.principals.load(userId, tx));
    if (!principal) throw overtaken(proved);
    // A client that invents a fingerprint for each sign-in must not fill its owner's mailbox.
    if (device.isNew && device.newToday <= MOST_MAILS_A_DAY)
      await this.mails.enqueue(
        tx,
        newDeviceMail,
        { user_id: userId },
        { at: at.toISOString(), ip: caller.ip, user_agent: caller.userAgent },
      );

    const subject = `user:${userId}`;
    const actor = subject;
    const happenings: Happening[] = [
      {
        type: 'user.login',
        actor,
        data: {
          session_id: session.id,
          method,
          second_factor: secondFactor ?? null,
          new_device: device.isNew,
        },
      },
      {
        type: 'session.created',
        actor,
        data: {
          session_id: session.id,
          persistent: session.persistent,
          expires_at: new Date(session.absoluteEnd).toISOString(),
        },
      },
    ];
    if (evicted.length > 0) {
      happenings.push({
        type: 'session.revoked',
        actor,
        data: { reason: 'session_limit', session_ids: evicted },
      });
    }
    await this.events.recordAll(tx, caller, subject, happenings);
    return principal;
  }

  /** @returns null where the account changed in the meantime. */
  private async admit(
    tx: EntityManager,
    { userId, epoch, secondFactor }: Proved,
    hash: Buffer,
    at: Date,
  ): Promise<SeenDevice | null> {
    const values = [userId, epoch, at, secondFactor !== undefined, hash];
    const [device] = await tx.query<{ inserted: boolean }[]>(ADMIT, values);
    if (!device) return null;
    // Counted by a statement of its own: that one has seen no sign-in that it had to wait for.
    return device.inserted ? amongOthers(tx, userId, at) : { isNew: false, newToday: 0 };
  }
}

/** In the words of the step that the client is at: the sign-in begins again. */
function overtaken({ method, secondFactor }: Proved): AppError {
  if (secondFactor !== undefined) return invalidMfaToken();
  return method === 'google' ? invalidOauthState() : invalidCredentials();
}
