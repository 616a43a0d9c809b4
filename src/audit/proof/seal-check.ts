import { calculateJwkThumbprint, compactVerify, CryptoKey, importJWK } from 'jose';
import { AuditKey } from '../seals/audit-key';
import { Seal, SEAL_TYPE, sealDigest, SealPayload } from '../seals/seal';
import { addDays } from '../seals/utc-day';
import { Finding, Findings } from './finding';
import { ChainLink } from './proof-source';

/** Clocks of instances may differ by so much. Whoever has a leaked key can date a seal as they like anyhow. */
const CLOCK_LEEWAY_SECONDS = 120;

interface TrustedKey {
  key: CryptoKey;
  /** Seconds since the Unix epoch. */
  revokedAt: number;
}

/** Checks the seals: each by itself and against the one before, then the chain against them. */
export class SealCheck {
  private next = 0;
  private lastDay = '';

  constructor(
    /** Oldest first. */
    private readonly seals: readonly Seal[],
    private readonly findings: Findings,
  ) {}

  /** @param kept JWS of seals that were kept elsewhere: each must still be the one of its day. */
  async checkSignatures(keys: readonly AuditKey[], kept: readonly string[]): Promise<void> {
    const trusted = await trust(keys);
    for (const [index, seal] of this.seals.entries()) {
      const problem = await this.problemOf(seal, this.seals[index - 1], trusted);
      if (problem) this.report(seal, problem);
    }
    const present = new Set(this.seals.map(({ jws }) => jws));
    for (const jws of kept) {
      if (!present.has(jws))
        this.findings.add({ ...placeOf(jws), detail: 'a seal that was kept elsewhere is not there' });
    }
  }

  /** @param startsAt position before the first link: seals up to there have none to be compared with. */
  begin(startsAt: number): void {
    while (this.next < this.seals.length && this.seals[this.next]!.lastPosition <= startsAt) this.next++;
  }

  /** The next link in order of position. */
  link({ position, day, hash, eventId }: ChainLink): void {
    let seal = this.seals[this.next];
    while (seal && position > seal.lastPosition) {
      // Empty days, and a day whose last link is not there: `end` of the chain, or a gap, tells of that.
      seal = this.seals[++this.next];
    }
    if (seal && position >= seal.firstPosition) {
      if (day !== seal.day && day !== this.lastDay)
        this.report(
          seal,
          `position ${position} is of ${day}, the seal counts it to ${seal.day}`,
          position,
          eventId,
        );
      if (position === seal.lastPosition && !hash.equals(seal.head))
        this.report(seal, 'the chain is not the one that was sealed', position, eventId);
    } else if (!seal && this.seals.length > 0 && day <= this.seals.at(-1)!.day && day !== this.lastDay) {
      this.report(this.seals.at(-1)!, `a link into ${day}, which was sealed without it`, position, eventId);
    }
    this.lastDay = day;
  }

  /** @param lastPosition of the chain. @param to last day of the range. */
  end(lastPosition: number, to: string | null): void {
    const cut = this.seals
      .slice(this.next)
      .find((seal) => seal.lastPosition > lastPosition && (!to || seal.day <= to));
    if (!cut) return;
    const first = Math.max(cut.firstPosition, lastPosition + 1);
    this.findings.add({
      kind: 'removed',
      position: first,
      day: cut.day,
      eventId: null,
      detail: `the chain ends at position ${lastPosition}, the seal of ${cut.day} at ${cut.lastPosition}`,
    });
  }

  private async problemOf(
    seal: Seal,
    before: Seal | undefined,
    trusted: Map<string, TrustedKey>,
  ): Promise<string | null> {
    const payload = await verified(seal, trusted);
    if (typeof payload === 'string') return payload;
    if (
      payload.day !== seal.day ||
      payload.first_position !== seal.firstPosition ||
      payload.last_position !== seal.lastPosition ||
      payload.head !== seal.head.toString('hex')
    )
      return 'the seal is not the one that was signed for this day';
    if (!before) return payload.previous === null ? null : 'the seal before it is missing';
    if (seal.day !== addDays(before.day, 1))
      return `no seal from ${addDays(before.day, 1)} to the day before`;
    if (payload.previous !== sealDigest(before.jws))
      return 'it was not made after the seal of the day before';
    if (seal.firstPosition !== before.lastPosition + 1)
      return 'its range does not begin where the day before ended';
    const isEmpty = seal.lastPosition < seal.firstPosition;
    return isEmpty && !seal.head.equals(before.head) ? 'a day without events has another head' : null;
  }

  private report(
    seal: Seal,
    detail: string,
    position = seal.lastPosition,
    eventId: string | null = null,
  ): void {
    this.findings.add({
      kind: 'seal',
      position,
      day: seal.day,
      eventId,
      detail: `seal of ${seal.day}: ${detail}`,
    });
  }
}

async function trust(keys: readonly AuditKey[]): Promise<Map<string, TrustedKey>> {
  const trusted = new Map<string, TrustedKey>();
  for (const { revoked_at: revokedAt, ...jwk } of keys) {
    // The id is the key's fingerprint: no key can take another's place.
    if (jwk.kty !== 'RSA' || (await calculateJwkThumbprint(jwk)) !== jwk.kid) continue;
    const key = (await importJWK(jwk, 'RS256')) as CryptoKey;
    trusted.set(jwk.kid, { key, revokedAt: revokedAt ? Date.parse(revokedAt) / 1000 : Infinity });
  }
  return trusted;
}

async function verified(seal: Seal, trusted: Map<string, TrustedKey>): Promise<SealPayload | string> {
  const key = trusted.get(seal.kid);
  if (!key) return `there is no key ${seal.kid}`;
  try {
    const { payload, protectedHeader } = await compactVerify(seal.jws, key.key, { algorithms: ['RS256'] });
    if (protectedHeader.kid !== seal.kid || protectedHeader.typ !== SEAL_TYPE)
      return 'it is signed as something else';
    const content = JSON.parse(Buffer.from(payload).toString('utf8')) as SealPayload;
    return content.iat < key.revokedAt + CLOCK_LEEWAY_SECONDS
      ? content
      : `key ${seal.kid} had been revoked when it was signed`;
  } catch {
    return 'the signature is wrong';
  }
}

/** What a kept seal says of itself; its signature proves nothing more than that it is missed. */
function placeOf(jws: string): Omit<Finding, 'detail'> {
  try {
    const payload = JSON.parse(Buffer.from(jws.split('.')[1]!, 'base64url').toString('utf8')) as SealPayload;
    return { kind: 'seal', position: payload.last_position, day: payload.day, eventId: null };
  } catch {
    return { kind: 'seal', position: null, day: null, eventId: null };
  }
}
