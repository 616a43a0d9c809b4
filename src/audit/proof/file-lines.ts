import { createReadStream } from 'node:fs';

/**
 * The lines of a file, one after the other. They end with a line feed and nothing else: `readline` also ends them where
 * only some programs do (a carriage return; in later releases of Node U+2028, which JSON has within texts).
 * @throws Error where the file cannot be read.
 */
export async function* fileLines(file: string): AsyncGenerator<string> {
  let rest = '';
  const chunks: AsyncIterable<string> = createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 });
  for await (const chunk of chunks) {
    const [first, ...lines] = chunk.split('\n') as [string, ...string[]];
    const next = lines.pop();
    if (next === undefined) {
      rest += first;
      continue;
    }
    yield withoutReturn(rest + first);
    for (const line of lines) yield withoutReturn(line);
    rest = next;
  }
  if (rest !== '') yield rest;
}

/** A file that went through Windows is what it was. */
const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line);
