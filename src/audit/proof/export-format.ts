import { z } from 'zod';
import { Seal } from '../seals/seal';
import { isDay } from '../seals/utc-day';
import { ChainLink } from './proof-source';

/** First line of an export. Each other has one member, named after what it is: `key`, `seal`, `link`, `event` or `end`. */
export const EXPORT_FORMAT = 'user-service-audit';
export const EXPORT_VERSION = 1;

const day = z.string().refine(isDay);
/** Of whatever length: a wrong one is a change to be told of, not a file that can't be read. */
const hash = z.string().regex(/^([0-9a-f]{2})*$/);
const position = z.int().min(0);

export const headerLine = z.object({
  format: z.literal(EXPORT_FORMAT),
  version: z.literal(EXPORT_VERSION),
  issuer: z.string(),
  exported_at: z.iso.datetime(),
  from: day.nullable(),
  to: day.nullable(),
  dropped_before: day.nullable(),
  /** The place before the first link of the file. */
  start: z.object({ position, hash }),
  /** About how many. */
  links: position,
});
export type HeaderLine = z.infer<typeof headerLine>;

export const sealLine = z.object({
  day,
  first_position: z.int().min(1),
  last_position: position,
  head: hash,
  kid: z.string(),
  jws: z.string(),
});

export const keyLine = z.looseObject({ kid: z.string(), kty: z.string(), revoked_at: z.string().optional() });

/** What the keys of an export have; keys from elsewhere may have more (RFC 7517). */
export const exportedKeyLine = z.object({
  ...keyLine.shape,
  n: z.string().optional(),
  e: z.string().optional(),
  use: z.string().optional(),
  alg: z.string().optional(),
});

/** As a line has it; nothing beside it, or somebody might believe what nobody has proved. */
export const eventLine = z.strictObject({
  event_id: z.guid(),
  event_type: z.string(),
  timestamp: z.string(),
  source: z.string(),
  priority: z.string(),
  subject: z.string(),
  actor: z.string(),
  resource: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()),
  personal_digests: z.record(z.string(), z.unknown()).nullable(),
});

export const linkLine = z.strictObject({
  position: z.int().min(1),
  day,
  event_id: z.guid(),
  timestamp: z.string(),
  event_hash: hash,
  hash,
  event: eventLine.nullable(),
});

export const endLine = z.strictObject({
  unlinked: position,
  /** Where the chain ended; null where the range ends before it. */
  head: z.strictObject({ position, hash }).nullable(),
});
export type EndLine = z.infer<typeof endLine>;

/** Members are never undefined in what was read from JSON. */
export function fromLinkLine(line: z.infer<typeof linkLine>): ChainLink {
  return {
    position: line.position,
    day: line.day,
    eventId: line.event_id,
    timestamp: line.timestamp,
    eventHash: Buffer.from(line.event_hash, 'hex'),
    hash: Buffer.from(line.hash, 'hex'),
    event: line.event,
  };
}

export function toLinkLine(link: ChainLink): z.infer<typeof linkLine> {
  return {
    position: link.position,
    day: link.day,
    event_id: link.eventId,
    timestamp: link.timestamp,
    event_hash: link.eventHash.toString('hex'),
    hash: link.hash.toString('hex'),
    event: link.event as z.infer<typeof eventLine> | null,
  };
}

export function fromSealLine(line: z.infer<typeof sealLine>): Seal {
  return {
    day: line.day,
    firstPosition: line.first_position,
    lastPosition: line.last_position,
    head: Buffer.from(line.head, 'hex'),
    kid: line.kid,
    jws: line.jws,
  };
}

export function toSealLine(seal: Seal): z.infer<typeof sealLine> {
  return {
    day: seal.day,
    first_position: seal.firstPosition,
    last_position: seal.lastPosition,
    head: seal.head.toString('hex'),
    kid: seal.kid,
    jws: seal.jws,
  };
}
