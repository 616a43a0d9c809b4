import { parse, stringify, v7, validate } from 'uuid';

/** A new UUIDv7 (RFC 9562 section 5.7): ordered by time, so that primary keys stay local in their indexes. */
export const newId = (): string => v7();

export const isId = (text: unknown): text is string => typeof text === 'string' && validate(text);

/** The 16 bytes of an id. */
export const idBytes = (id: string): Buffer => Buffer.from(parse(id));

export const idFromBytes = (bytes: Uint8Array): string => stringify(bytes);
