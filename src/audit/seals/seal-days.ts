import { Inject, Injectable } from '@nestjs/common';
import { CompactSign } from 'jose';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { CONFIG, Config } from '../../config/config';
import { CHAIN_START } from '../../infra/events/chain-hash';
import { KeyRing } from '../../tokens/key-ring';
import { Seal, SEAL_COLUMNS, SEAL_TYPE, sealDigest, SealPayload, SealRow, toSeal } from './seal';
import { addDays } from './utc-day';

type Days = Pick<Seal, 'day' | 'firstPosition' | 'lastPosition' | 'head'>;

/** Days that the chain does not go on from where the last seal has left it: to sign them would be to attest a change. */
export class BrokenChain extends Error {
  override readonly name = 'BrokenChain';
}

/** The key was revoked while this process still held it: what it signs now nobody would believe. */
class RevokedKey extends Error {
  override readonly name = 'RevokedKey';
}

/**
 * Signs each day of the event chain once it is over. It goes on after the newest seal, and makes none that is missing
 * before that: a gap is what tells that somebody has taken one away.
 */
@Injectable()
export class SealDays {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly ring: KeyRing,
  ) {}

  /**
   * Seals every day that is over and has no seal, days without events too. Any number of processes may do so at once:
   * the first seal of a day counts.
   * @param signal ends the run after the day in hand.
   * @returns the days that this run has sealed.
   * @throws BrokenChain where links are missing, or a seal is of a day to come; Error where a key was revoked, or when PostgreSQL cannot be asked.
   */
  async run(signal?: AbortSignal): Promise<string[]> {
    const today = await this.closeDays();
    const sealed: string[] = [];
    while (!signal?.aborted) {
      const before = await this.newest();
      if (before && before.day > today)
        throw new BrokenChain(`there is a seal of ${before.day}, which is not over: run audit verify`);
      const day = before ? addDays(before.day, 1) : await this.firstDay();
      if (!day || day >= today) break;
      if (await this.seal(await this.summarise(day, before), before)) sealed.push(day);
    }
    return sealed;
  }

  /**
   * From here on nothing can be linked into a day before the one returned, by PostgreSQL's clock: the relay's statement
   * changes the same row, so it comes before this, or finds the new day. Never a day to come, even where that clock, or
   * somebody, once put the chain there.
   */
  private async closeDays(): Promise<string> {
    await this.db.query(
      `UPDATE event_relay SET chain_day = (clock_timestamp() AT TIME ZONE 'UTC')::date
       WHERE chain_day < (clock_timestamp() AT TIME ZONE 'UTC')::date`,
    );
    const [relay] = await this.db.query<[{ day: string }]>(
      `SELECT least(chain_day, (clock_timestamp() AT TIME ZONE 'UTC')::date)::text AS day FROM event_relay`,
    );
    return relay.day;
  }

  private async newest(): Promise<Seal | undefined> {
    const [row] = await this.db.query<SealRow[]>(
      `SELECT ${SEAL_COLUMNS} FROM event_seals ORDER BY event_seals.day DESC LIMIT 1`,
    );
    return row && toSeal(row);
  }

  private async firstDay(): Promise<string | undefined> {
    const [link] = await this.db.query<{ day: string }[]>(
      'SELECT day::text AS day FROM event_chain ORDER BY event_chain.day, position LIMIT 1',
    );
    return link?.day;
  }

  private async summarise(day: string, before: Seal | undefined): Promise<Days> {
    const end = before ?? { lastPosition: 0, head: CHAIN_START };
    const [links] = await this.db.query<[{ first: string | null; last: string; head: Buffer }]>(
      `SELECT
         (SELECT position FROM event_chain WHERE day = $1 ORDER BY position LIMIT 1) AS first, last.*
       FROM (SELECT 1) one LEFT JOIN
         (SELECT position AS last, hash AS head FROM event_chain WHERE day = $1 ORDER BY position DESC LIMIT 1) last ON true`,
      [day],
    );
    const firstPosition = end.lastPosition + 1;
    if (links.first === null) return { day, firstPosition, lastPosition: end.lastPosition, head: end.head };
    if (Number(links.first) !== firstPosition)
      throw new BrokenChain(
        `the links of ${day} begin at position ${links.first}, not at ${firstPosition}: run audit verify`,
      );
    return { day, firstPosition, lastPosition: Number(links.last), head: links.head };
  }

  /** @returns false where another process was first. */
  private async seal(days: Days, before: Seal | undefined): Promise<boolean> {
    const key = this.ring.signer('audit');
    const payload: SealPayload = {
      iss: this.config.JWT_ISSUER,
      day: days.day,
      first_position: days.firstPosition,
      last_position: days.lastPosition,
      head: days.head.toString('hex'),
      previous: before ? sealDigest(before.jws) : null,
      iat: Math.floor(this.clock.now() / 1000),
    };
    const jws = await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'RS256', typ: SEAL_TYPE, kid: key.kid })
      .sign(key.secret);
    const inserted = await this.db.query<unknown[]>(
      `INSERT INTO event_seals (day, first_position, last_position, head, kid, jws, sealed_at)
       SELECT $1, $2, $3, $4, $5, $6, $7 WHERE EXISTS (SELECT FROM signing_keys WHERE kid = $5 AND revoked_at IS NULL)
       ON CONFLICT DO NOTHING RETURNING 1`,
      [days.day, days.firstPosition, days.lastPosition, days.head, key.kid, jws, this.clock.date()],
    );
    if (inserted.length === 1) return true;
    if ((await this.newest())?.day === before?.day) throw new RevokedKey(`key ${key.kid} was revoked`);
    return false;
  }
}
