import { open, seal } from '../../infra/kms/envelope';
import { IntegrityError } from '../../infra/kms/integrity-error';
import type { AuditExport } from './audit-export';

/** So much text is in one part, unless a single event is longer. */
export const MOST_PART_BYTES = 256 * 1024;

/** Which part of the file, from 1, and whether the file ends with it. */
export interface PartPlace {
  part: number;
  isLast: boolean;
}

type Owned = Pick<AuditExport, 'id' | 'userId' | 'format'>;

/** Encrypts a part, and overwrites what it was given. */
export function sealPart(key: Uint8Array, owned: Owned, place: PartPlace, plain: Buffer): Buffer {
  try {
    return seal(key, plain, placeOf(owned, place));
  } finally {
    plain.fill(0);
  }
}

/** @throws IntegrityError when it is missing, was changed, or belongs elsewhere: in another place, file, or to somebody else. */
export function openPart(
  key: Uint8Array,
  owned: Owned,
  place: PartPlace,
  sealed: Buffer | undefined,
): Buffer {
  if (!sealed) throw new IntegrityError(`part ${place.part} of the export`);
  return open(key, sealed, placeOf(owned, place));
}

/** The last part says that it is: a file whose end was cut off has none. */
const placeOf = ({ id, userId, format }: Owned, { part, isLast }: PartPlace): string =>
  JSON.stringify(['audit-export', id, userId, format, part, isLast]);
