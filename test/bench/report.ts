import { availableParallelism } from 'node:os';

type Unit = '/s' | 'ms' | 'µs' | 's' | 'MB' | 'bytes';

/** What a ratio should be. */
export type Target = { atLeast: number } | { atMost: number };

export interface Line {
  what: string;
  unit: string;
  /** Median of the rounds. */
  value: number;
  /** What it is divided by; the bound was measured in the same round. */
  bound?: { what: string; value: number; ratio: number };
  /** For the ratio, or for the value where there is none. */
  target?: Target;
}

/** Where a line comes from. */
export interface Row<Round> {
  what: string;
  unit: Unit;
  read: (round: Round) => number;
  bound?: { what: string; read: (round: Round) => number };
  target?: Target;
}

/** Medians of the rounds; of a ratio, the median of the rounds' ratios, for what it compares ran close together. */
export function summarise<Round>(rows: Row<Round>[], rounds: Round[]): Line[] {
  return rows.map(({ what, unit, read, bound, target }) => ({
    what,
    unit,
    value: median(rounds.map(read)),
    ...(bound && {
      bound: {
        what: bound.what,
        value: median(rounds.map(bound.read)),
        ratio: median(rounds.map((round) => read(round) / bound.read(round))),
      },
    }),
    ...(target && { target }),
  }));
}

export function table(lines: Line[]): string {
  const cells = lines.map((line) => [
    line.what,
    `${number(line)} ${line.unit}`.padStart(12),
    line.bound ? `${line.bound.ratio.toFixed(2)} × ${line.bound.what}` : '',
    line.target ? `${asText(line.target)}: ${isMet(line) ? 'met' : 'missed'}` : '',
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

export const machine = (): string => `${availableParallelism()} cores, Node ${process.version}`;

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function number({ unit, value }: Line): string {
  if (unit === 'ms') return value.toFixed(2);
  return value.toFixed(value < 100 && unit !== 'bytes' ? 1 : 0);
}

const asText = (target: Target): string =>
  'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;

function isMet({ bound, value, target }: Line): boolean {
  const reached = bound?.ratio ?? value;
  if (!target) return true;
  return 'atLeast' in target ? reached >= target.atLeast : reached <= target.atMost;
}
