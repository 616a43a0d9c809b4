import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The file of this run, for the workers of jest. */
const FILE = 'TEST_SEEN_REPLIES';

/** A reply that a test got: the operation as the OpenAPI document names it, the status, and the code of a problem. */
export interface SeenReply {
  operation: string;
  status: number;
  code: string;
}

const noted = new Set<string>();

/** Begins the notes of a run, in a folder of their own. Jest's workers, which start later, inherit its name. */
export function beginNotes(folder: string): void {
  process.env[FILE] = join(folder, 'seen-replies');
}

/** Notes a reply once. Lines are short and appended whole, so that several processes may write. */
export function noteReply(operation: string, status: number, code = ''): void {
  const line = `${operation}\t${status}\t${code}\n`;
  const file = process.env[FILE];
  if (!file || noted.has(line)) return;
  noted.add(line);
  appendFileSync(file, line);
}

/** Where the notes of the run are. */
export function notesFolder(): string | undefined {
  return process.env[FILE] && dirname(process.env[FILE]);
}

/** Reads the notes of the run, and deletes their folder. */
export function endNotes(): SeenReply[] {
  const file = process.env[FILE];
  if (!file) return [];
  const lines = readIfThere(file).split('\n').filter(Boolean);
  rmSync(join(file, '..'), { recursive: true, force: true });
  return lines.map((line) => {
    const [operation = '', status, code = ''] = line.split('\t');
    return { operation, status: Number(status), code };
  });
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // No test asked anything.
    return '';
  }
}
