import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AuditKey } from '../seals/audit-key';
import { keyLine } from './export-format';
import { CannotCheck } from './proof-source';

const DEADLINE_MS = 10_000;
const keySet = z.object({ keys: z.array(keyLine) });

/**
 * Public keys to check seals with, from where nobody who can change the database can change them.
 * @param place a file or an http(s) address: `{"keys": […]}`, as GET /v1/audit/seals answers, or a JWKS (RFC 7517).
 * @throws CannotCheck
 */
export async function readKeys(place: string): Promise<AuditKey[]> {
  try {
    const text = /^https?:/.test(place) ? await download(place) : await readFile(place, 'utf8');
    return keySet.parse(JSON.parse(text)).keys;
  } catch (error) {
    throw new CannotCheck(`no keys in ${place}: ${(error as Error).message}`, { cause: error });
  }
}

/** Seals that were kept, one JWS a line, as `audit seals` prints them. @throws CannotCheck */
export async function readKeptSeals(file: string): Promise<string[]> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim());
    return lines.filter((line) => line !== '');
  } catch (error) {
    throw new CannotCheck(`no seals in ${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function download(url: string): Promise<string> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  return reply.text();
}
