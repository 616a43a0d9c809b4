import { Fault, Seen } from './fault';

/** A row of the table: what was seen, or why nothing could be. */
export type Row = { fault: Fault } & ({ seen: Seen } | { notHere: string });

const HEAD = ['what breaks', 'promised', 'answers', 'slowest', 'well again after', 'lost or broken'];

/** As Markdown. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, HEAD.map(() => '---'), ...rows.map(cells)];
  return lines.map((line) => `| ${line.map(escape).join(' | ')} |\n`).join('');
}

export const isBroken = (row: Row): boolean => 'seen' in row && row.seen.broken.length > 0;

function cells(row: Row): string[] {
  const { title, promise } = row.fault;
  if ('notHere' in row) return [title, promise, `not here: ${row.notHere}`, '', '', ''];
  const { answers, slowestMs, wellAfterMs, broken, notes } = row.seen;
  return [
    [title, ...notes].join('; '),
    promise,
    Object.entries(answers)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', '),
    `${(slowestMs / 1000).toFixed(2)} s`,
    wellAfterMs === undefined ? 'not' : `${(wellAfterMs / 1000).toFixed(1)} s`,
    broken.length > 0 ? `**${broken.join('; ')}**` : 'nothing',
  ];
}

const escape = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
