import { createHash } from 'node:crypto';

/** The end of a day of the event chain, signed. */
export interface Seal {
  /** UTC, `YYYY-MM-DD`. */
  day: string;
  /** Of the day's links; last = first - 1 on a day without any. */
  firstPosition: number;
  lastPosition: number;
  /** The chain's hash at the end of the day. */
  head: Buffer;
  kid: string;
  /** Compact JWS (RFC 7515) of a `SealPayload`. */
  jws: string;
}

/** What is signed: of the same day, and of the seal before, so that none can be taken out or exchanged. */
export interface SealPayload {
  iss: string;
  day: string;
  first_position: number;
  last_position: number;
  /** Hexadecimal. */
  head: string;
  /** `sealDigest` of the day before; null for the first. */
  previous: string | null;
  /** Seconds since the Unix epoch. */
  iat: number;
}

/** `typ` in the JWS' header: nothing else that we sign can be taken for a seal, nor a seal for a token. */
export const SEAL_TYPE = 'audit-seal+jwt';

/** SHA-256, base64url. */
export const sealDigest = (jws: string): string => createHash('sha256').update(jws).digest('base64url');

/** A row of `SEAL_COLUMNS`. */
export interface SealRow {
  day: string;
  first_position: string;
  last_position: string;
  head: Buffer;
  kid: string;
  jws: string;
}

export const SEAL_COLUMNS = 'day::text AS day, first_position, last_position, head, kid, jws';

export function toSeal(row: SealRow): Seal {
  return {
    day: row.day,
    firstPosition: Number(row.first_position),
    lastPosition: Number(row.last_position),
    head: row.head,
    kid: row.kid,
    jws: row.jws,
  };
}
