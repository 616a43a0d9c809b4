import { once } from 'node:events';
import { Writable } from 'node:stream';
import { DatabaseSource } from './database-source';
import { EXPORT_FORMAT, EXPORT_VERSION, HeaderLine, toLinkLine, toSealLine } from './export-format';
import { Findings } from './finding';

interface ExportOptions {
  issuer: string;
  exportedAt: Date;
  onProgress?: (done: number, expected: number) => void;
}

/**
 * Writes the chain as lines of JSON: a header, keys, seals, each link with its event in order of position, events that
 * have no link, and an end. Without personal data: the digests in the events stay provable. It writes what is there, also
 * what is wrong.
 * @returns how many links.
 */
export async function writeExport(
  source: DatabaseSource,
  out: Writable,
  { issuer, exportedAt, onProgress }: ExportOptions,
): Promise<number> {
  const write = async (lines: unknown[]): Promise<void> => {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    if (!out.write(text)) await once(out, 'drain');
  };
  const { from, to, droppedBefore, keys, seals, start, expected } = await source.begin();
  const header: HeaderLine = {
    format: EXPORT_FORMAT,
    version: EXPORT_VERSION,
    issuer,
    exported_at: exportedAt.toISOString(),
    from,
    to,
    dropped_before: droppedBefore,
    start: { position: start.position, hash: start.hash.toString('hex') },
    links: expected,
  };
  await write([
    header,
    ...keys.map((key) => ({ key })),
    ...seals.map((seal) => ({ seal: toSealLine(seal) })),
  ]);
  let links = 0;
  for await (const batch of source.links()) {
    await write(batch.map((link) => ({ link: toLinkLine(link) })));
    links += batch.length;
    onProgress?.(links, expected);
  }
  await write((await source.strays()).map((event) => ({ event })));
  const { head, unlinked } = await source.end(new Findings());
  await write([
    { end: { unlinked, head: head && { position: head.position, hash: head.hash.toString('hex') } } },
  ]);
  return links;
}
