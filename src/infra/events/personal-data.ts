import canonicalize from 'canonicalize';
import { createHash, randomBytes } from 'node:crypto';
import { isId } from '../../common/ids';
import { eventSchemas } from './event-schemas';
import { EventType } from './event-types';

type Members = Record<string, unknown>;

/** The member of an event that something personal belongs to. */
export type PersonalPart = 'data' | 'metadata';

/** What an event says of a person beside ids: kept apart, because it can be erased, and the event cannot. */
export interface PersonalData {
  part: PersonalPart;
  /** Whose it is: erased with that account. */
  userId: string | null;
  salt: Buffer;
  content: Members;
}

/** Of whoever acted. */
const PERSONAL_METADATA: readonly string[] = ['ip', 'user_agent'];

/** Members of an event that are kept apart. Those of `data` are its subject's; which they are, its schema says. */
export function personalMembers(type: EventType, part: PersonalPart): readonly string[] {
  return part === 'metadata' ? PERSONAL_METADATA : eventSchemas[type].personal;
}

/** What stays in the event, and what is kept apart. */
export function splitPersonalData(
  type: EventType,
  part: PersonalPart,
  members: Members,
  userId: string | null,
): { kept: Members; personal: PersonalData | null } {
  const names = personalMembers(type, part);
  const entries = Object.entries(members);
  const isPersonal = ([name, value]: [string, unknown]): boolean =>
    value !== null && (names.includes(name) || isChosenByCaller(name, value));
  const content = Object.fromEntries(entries.filter(isPersonal));
  if (Object.keys(content).length === 0) return { kept: members, personal: null };
  return {
    kept: Object.fromEntries(entries.filter((entry) => !isPersonal(entry))),
    personal: { part, userId, salt: randomBytes(16), content },
  };
}

/** `X-Request-ID` is whatever the caller likes, an address too; what the service makes itself is an id. */
function isChosenByCaller(name: string, value: unknown): boolean {
  return name === 'request_id' && !isId(value);
}

/**
 * What the event keeps of it, base64url: SHA-256 of the salt and the canonical content (RFC 8785). With the salt erased
 * it tells nothing, not even to somebody who guesses.
 */
export function personalDigest(salt: Buffer, content: Members): string {
  return createHash('sha256').update(salt).update(canonicalize(content)!).digest('base64url');
}
