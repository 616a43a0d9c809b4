import { Command } from 'commander';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { DatabaseSource } from '../audit/proof/database-source';
import { FileSource } from '../audit/proof/file-source';
import { DayRange } from '../audit/proof/proof-range';
import { proofText } from '../audit/proof/proof-text';
import { readKeptSeals, readKeys } from '../audit/proof/read-keys';
import { ProofOptions, ProofReport, verifyChain } from '../audit/proof/verify-chain';
import { writeExport } from '../audit/proof/write-export';
import { DropMonths } from '../audit/retention/drop-months';
import { isDay } from '../audit/seals/utc-day';
import { Clock } from '../common/clock';
import { Events } from '../infra/events/events';
import { commandConfig } from './command-config';
import { failureText } from './failure';

const PROGRESS_EVERY_MS = 1_000;
/** Exit codes of `verify`. */
const CHANGED = 1;
const NOT_CHECKED = 2;

interface RangeOptions {
  from?: string;
  to?: string;
}

/** `audit verify`, `audit export`, `audit seals` and `audit drop`. */
export function auditCommand(): Command {
  const audit = new Command('audit').description('The events, their hash chain and its seals.');
  audit
    .command('verify')
    .description(
      'Proves that events are what was recorded: names the first that was changed, removed, inserted or moved.',
    )
    .option('--from <day>', 'first day (YYYY-MM-DD, UTC); the seal before it is where the proof begins')
    .option('--to <day>', 'last day')
    .option('--export <file>', 'check an export; it takes neither database nor configuration')
    .option(
      '--keys <file or URL>',
      'check the seals with these public keys, not with those found beside them',
    )
    .option(
      '--seals <file>',
      'seals that were kept elsewhere, as `audit seals` prints them: each must still be there, up to --to or the end of an export',
    )
    .addHelpText(
      'after',
      '\nEnds with 0: as it was, 1: not as it was, 2: could not be checked. Progress goes to standard error.' +
        '\nA running service may go on: what it writes meanwhile is not looked at.' +
        '\n\nExamples:\n  npm run -s cli -- audit verify --from 2026-11-01 --keys keys.json' +
        '\n  npm run -s cli -- audit verify --export audit.ndjson --keys keys.json --seals seals.txt',
    )
    .action(verify);
  audit
    .command('export')
    .description(
      'Writes the chain with its events as lines of JSON, without personal data, to be verified anywhere.',
    )
    .option('--from <day>', 'first day (YYYY-MM-DD, UTC); it begins behind the seal before')
    .option('--to <day>', 'last day')
    .option('--out <file>', 'file; without it standard output')
    .addHelpText('after', '\nExamples:\n  npm run -s cli -- audit export --out audit.ndjson')
    .action(exportChain);
  audit
    .command('seals')
    .description(
      'Prints the seals, one JWS a line, oldest first. Keep them where nobody can change them with the database.',
    )
    .action(printSeals);
  audit
    .command('drop')
    .description('Drops whole months of events. Their seals stay, and what is left stays provable.')
    .requiredOption('--before <month>', 'first month that stays (YYYY-MM)')
    .option('--dry-run', 'only tell what would go, or why it must stay')
    .action(drop);
  return audit;
}

async function verify(
  options: RangeOptions & { export?: string; keys?: string; seals?: string },
): Promise<void> {
  try {
    const range = rangeOf(options);
    if (options.export && (range.from ?? range.to)) throw new Error('an export has its range in itself');
    const proof: ProofOptions = {
      keys: options.keys === undefined ? undefined : await readKeys(options.keys),
      kept: options.seals === undefined ? undefined : await readKeptSeals(options.seals),
      onProgress: reporter(),
    };
    const report = options.export
      ? await verifyChain(new FileSource(options.export), proof)
      : await verifyDatabase(range, proof);
    console.log(proofText(report));
    if (report.findings.total > 0) process.exitCode = CHANGED;
  } catch (error) {
    console.error(`It could not be checked: ${failureText(error)}`);
    process.exitCode = NOT_CHECKED;
  }
}

async function verifyDatabase(range: DayRange, proof: ProofOptions): Promise<ProofReport> {
  // Settings that cannot be used end the process; that is no verdict either.
  const notChecked = (): void => void (process.exitCode = NOT_CHECKED);
  process.once('exit', notChecked);
  const config = await commandConfig();
  process.off('exit', notChecked);
  return DatabaseSource.read(config, { range, content: 'with personal data' }, (source) =>
    verifyChain(source, proof),
  );
}

async function exportChain({ out, ...options }: RangeOptions & { out?: string }): Promise<void> {
  const config = await commandConfig();
  const source = { range: rangeOf(options), content: 'without personal data' } as const;
  // The reader of a pipe that has left is an error of `finished`.
  const target = out === undefined ? process.stdout : createWriteStream(out, { mode: 0o600 });
  const done = out === undefined ? Promise.resolve() : finished(target);
  const write = DatabaseSource.read(config, source, (database) =>
    writeExport(database, target, {
      issuer: config.JWT_ISSUER,
      exportedAt: new Date(),
      onProgress: reporter(),
    }),
  ).then((links) => {
    if (out !== undefined) target.end();
    return links;
  });
  const [links] = await Promise.all([write, done]);
  console.error(`${links} links written`);
}

async function printSeals(): Promise<void> {
  const source = { range: { from: null, to: null }, content: 'without personal data' } as const;
  const seals = await DatabaseSource.read(await commandConfig(), source, (database) => database.seals());
  for (const { jws } of seals) console.log(jws);
}

async function drop({ before, dryRun = false }: { before: string; dryRun?: boolean }): Promise<void> {
  const firstDay = `${before}-01`;
  if (!isDay(firstDay)) throw new Error(`${before} is no month (YYYY-MM)`);
  const config = await commandConfig();
  const partitions = await new DropMonths(config, new Events(new Clock(), config)).run(firstDay, { dryRun });
  for (const partition of partitions) console.log(`${partition}${dryRun ? ' would go' : ' dropped'}`);
  if (partitions.length === 0) console.log(`There is no month of events before ${before}.`);
}

/** @throws Error for what is no day, and for a range that ends before it begins. */
function rangeOf(options: RangeOptions): DayRange {
  const { from = null, to = null }: Partial<DayRange> = options;
  for (const day of [from, to])
    if (day !== null && !isDay(day)) throw new Error(`${day} is no day (YYYY-MM-DD)`);
  if (from && to && to < from) throw new Error('--to is before --from');
  return { from, to };
}

/** Tells now and then how far it is. */
function reporter(): (done: number, expected: number) => void {
  let due = performance.now() + PROGRESS_EVERY_MS;
  return (done, expected) => {
    if (performance.now() < due) return;
    due = performance.now() + PROGRESS_EVERY_MS;
    console.error(`${done} of ${expected} links`);
  };
}
