/** 256 bits in hexadecimal. */
const KEY = /^[0-9a-f]{64}$/i;
const FIRST_VERSION = 1;
/** `2:<key>`, or `next:3:<key>`. */
const VERSIONED = /^(next:)?([1-9]\d{0,8}):([0-9a-f]{64})$/i;

/** What a file with the master key says. */
export interface MasterKeyLines {
  /** By version, the staged one among them. */
  keys: Map<number, Buffer>;
  /** The highest that is not staged: it wraps. */
  current: number;
  /** A version that unwraps and does not wrap yet. */
  staged?: number;
}

/**
 * Reads the text of a key file: `<version>:<64 hexadecimal digits>` a line, a bare key being version 1; a line that
 * begins with `next:` stages a version until every machine has it. Comments (`#`) and empty lines are passed over.
 * @throws Error which says what is wrong with which line, and never shows one.
 */
export function readMasterKeyLines(text: string): MasterKeyLines {
  const keys = new Map<number, Buffer>();
  let current = 0;
  let staged: number | undefined;
  for (const [index, line] of text.split('\n').map((each, i) => [i + 1, each.trim()] as const)) {
    if (line === '' || line.startsWith('#')) continue;
    const [, next, version = FIRST_VERSION, hex = line] = VERSIONED.exec(line) ?? [];
    if (!KEY.test(hex)) throw new Error(`does not hold 32 bytes in hexadecimal (line ${index})`);
    const number = Number(version);
    if (keys.has(number)) throw new Error(`has version ${number} twice (line ${index})`);
    if (next && staged !== undefined) throw new Error(`stages two versions (line ${index})`);
    keys.set(number, Buffer.from(hex, 'hex'));
    if (next) staged = number;
    else current = Math.max(current, number);
  }
  if (current === 0) throw new Error('does not hold 32 bytes in hexadecimal');
  if (staged !== undefined && staged < current) throw new Error(`stages version ${staged} below ${current}`);
  return { keys, current, staged };
}

/** @returns the text with a version more: in place of the staged line where there is one, else at the end. */
export function withMasterKey(text: string, line: string): string {
  const lines = text.replace(/\n+$/, '').split('\n');
  const at = lines.findIndex((each) => /^\s*next:/i.test(each));
  if (at >= 0) lines[at] = line;
  else lines.push(line);
  return `${lines.join('\n')}\n`;
}
