/**
 * `npm run drill`: breaks what the service stands on, one thing after the other, while people use two instances of it.
 * The table at the end says what was promised and what was seen; docs/reliability.md explains it.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Fault, Seen } from './fault';
import { faults } from './faults';
import { isBroken, Row, table } from './report';
import { World } from './world';

const HELP = `npm run drill -- [options]

  --quick          the quick half, with short faults (what CI runs)
  --only NAME,...  these faults only
  --list           their names
  --json FILE      write every number there too
  --help

Ends with 0 where every promise was kept, else with 1.
`;

async function main(): Promise<number> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) return print(HELP);
  if (options.list) return print(faults.map(({ name, title }) => `${name.padEnd(28)} ${title}\n`).join(''));
  const chosen = choose(options.only, options.quick);
  const rows: Row[] = [];
  const world = await World.start(options.quick);
  // The servers end with this process by themselves; instances and subscribers do not.
  process.once('exit', () => world.abandon());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  try {
    for (const fault of chosen) rows.push(await run(world, fault));
  } finally {
    await world.stop();
  }
  print(`\n${table(rows)}`);
  if (options.json) writeFileSync(options.json, JSON.stringify(rows, null, 2));
  return rows.some(isBroken) ? 1 : 0;
}

function choose(only: string | undefined, isQuick: boolean): readonly Fault[] {
  const names = only?.split(',');
  const unknown = names?.find((name) => !faults.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new Error(`there is no fault ${unknown}\n\n${HELP}`);
  return faults.filter(({ name, isQuick: quick }) => (names ? names.includes(name) : quick || !isQuick));
}

async function run(world: World, fault: Fault): Promise<Row> {
  const notHere = fault.needs?.();
  if (notHere !== undefined) return { fault, notHere };
  const began = performance.now();
  process.stderr.write(`${fault.title} … `);
  const seen = await fault.run(world).catch((error: Error) => failed(world, error));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stderr.write(`${seen.broken.length > 0 ? seen.broken.join('; ') : 'as promised'} (${seconds} s)\n`);
  return { fault, seen };
}

/** It says nothing of the service, but no promise was seen to be kept either; the next fault finds all mended. */
async function failed(world: World, error: Error): Promise<Seen> {
  await world.mend();
  return { answers: {}, slowestMs: 0, notes: [], broken: [`the drill itself failed: ${error.message}`] };
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
