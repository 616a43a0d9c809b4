import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { eventTypes } from '../../src/infra/events/event-types';

const noted = new Set<string>();

/** Beside the notes of replies. */
const fileIn = (folder: string): string => join(folder, 'seen-events');

/** Notes a type once. Lines are short and appended whole, so that several processes may write. */
export function noteEvent(type: string, folder: string | undefined): void {
  if (!folder || noted.has(`${folder} ${type}`)) return;
  noted.add(`${folder} ${type}`);
  appendFileSync(fileIn(folder), `${type}\n`);
}

/** Notes which types of events a database holds: also what other processes have recorded there. */
export async function noteEvents(db: DataSource, folder: string | undefined): Promise<void> {
  if (!folder) return;
  const rows = await db.query<{ event_type: string }[]>('SELECT DISTINCT event_type FROM events');
  for (const { event_type } of rows) noteEvent(event_type, folder);
}

/** The types that no test of the run recorded. */
export function missingEvents(folder: string | undefined): string[] {
  if (!folder) return [];
  const seen = new Set(readIfThere(fileIn(folder)).split('\n'));
  return eventTypes.filter((type) => !seen.has(type));
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // No test recorded anything.
    return '';
  }
}
