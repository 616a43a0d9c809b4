import { IntegrityError } from './integrity-error';

/** Before the master key had versions: no version is named, and it was the first. */
const UNVERSIONED = 1;
const VERSIONED = 2;
const FIRST_VERSION = '1';
const VERSION = /^[\w.:-]{1,100}$/;

export interface WrappedSecret {
  /** Version of the master key, as its provider names it. */
  version: string;
  /** What the provider made, in its own layout. */
  body: Buffer;
}

/** Layout: format (1 byte), length of the version (1 byte), version (ASCII), body. */
export function packWrapped({ version, body }: WrappedSecret): Buffer {
  if (!VERSION.test(version)) throw new Error(`a version of the master key cannot be called ${version}`);
  return Buffer.concat([Buffer.from([VERSIONED, version.length]), Buffer.from(version), body]);
}

/**
 * Whoever unwraps must bind the version to the body: here it is just read.
 * @throws IntegrityError
 */
export function unpackWrapped(wrapped: Uint8Array): WrappedSecret {
  const bytes = Buffer.from(wrapped);
  if (bytes[0] === UNVERSIONED) return { version: FIRST_VERSION, body: bytes.subarray(1) };
  const end = 2 + (bytes[1] ?? 0);
  const version = bytes.toString('latin1', 2, end);
  if (bytes[0] !== VERSIONED || bytes.length < end || !VERSION.test(version))
    throw new IntegrityError('the wrapped secret');
  return { version, body: bytes.subarray(end) };
}

/** The version of a wrapped secret, for SQL: so that PostgreSQL finds those of old versions. Empty where it is damaged. */
export const versionSql = (column: string): string =>
  `CASE WHEN octet_length(${column}) < 2 THEN ''
     WHEN get_byte(${column}, 0) = ${UNVERSIONED} THEN '${FIRST_VERSION}'
     WHEN get_byte(${column}, 0) = ${VERSIONED} AND octet_length(${column}) >= 2 + get_byte(${column}, 1)
       THEN encode(substr(${column}, 3, get_byte(${column}, 1)), 'escape')
     ELSE '' END`;
