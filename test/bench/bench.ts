/**
 * `npm run bench`: how fast the service is, against what the same machine can do at most in the same run. Servers,
 * service, clients and bounds are processes of their own; rounds interleave them; the medians count.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Measures, Round } from './measures';
import { machine, NOTES, summarise, table } from './report';
import { setStage } from './stage';

const HELP = `npm run bench -- [options]

  --quick          one short round (about half a minute), to see whether it runs
  --rounds N       rounds (3)
  --processes N    WEB_CONCURRENCY of the service (1)
  --json FILE      write every number there too
  --help
`;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      processes: { type: 'string', default: '1' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) return void process.stdout.write(HELP);
  const count = options.quick ? 1 : Number(options.rounds);
  const processes = Number(options.processes);
  const rounds: Round[] = [];

  const stage = await setStage(processes, 32);
  const measures = new Measures(stage, options.quick ? 0.5 : 1.5);
  try {
    await measures.prepare();
    while (rounds.length < count) {
      rounds.push(await measures.round());
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    measures.stop();
    await stage.stop();
  }

  const lines = summarise(rounds);
  process.stdout.write(
    `\n${machine()}, WEB_CONCURRENCY=${processes}, median of ${count}\n\n${table(lines)}\n${NOTES}`,
  );
  if (options.json) {
    writeFileSync(options.json, JSON.stringify({ machine: machine(), processes, lines, rounds }, null, 2));
  }
}

main().then(
  () => process.exit(0),
  (error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
