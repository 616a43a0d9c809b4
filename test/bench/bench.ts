/**
 * `npm run bench`: how fast the service is, against what the same machine can do at most in the same run. Servers,
 * service, clients and bounds are processes of their own; rounds interleave them; the medians count.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { auditSection } from './audit-section';
import { eventsSection } from './events-section';
import { floorsSection } from './floors-section';
import { memorySection } from './memory-section';
import { machine, table } from './report';
import { Section } from './section';
import { serviceSection } from './service-section';
import { sessionsSection } from './sessions-section';
import { startSection } from './start-section';
import { verifySection } from './verify-section';

/** Each with the rounds that it takes within some minutes. */
const SECTIONS: Record<string, { run: Section; rounds: number }> = {
  service: { run: serviceSection, rounds: 5 },
  sessions: { run: sessionsSection, rounds: 7 },
  memory: { run: memorySection, rounds: 3 },
  start: { run: startSection, rounds: 9 },
  floors: { run: floorsSection, rounds: 5 },
  events: { run: eventsSection, rounds: 3 },
  audit: { run: auditSection, rounds: 3 },
  verify: { run: verifySection, rounds: 1 },
};

const HELP = `npm run bench -- [section] [options]

  service          sign-ins, reads and credentials over HTTP (default)
  sessions         refreshes and guarded reads among 1,000 stored sessions and among 200,000
  memory           what a process grows by while 10,000 people sign in and use their sessions
  start            how long until the service is ready, against a bare Nest application
  floors           what routes like the targets' take at least, on the same packages
  events           those who record events, with the hash chain and without
  audit            queries of events, of ten thousand and of ten million (loading them takes minutes, and 10 GB of disk)
  verify           the proof of a million events

  --quick          one short round, on less of everything (less than a minute), to see whether it runs
  --rounds N       rounds (each section has its own number)
  --events N       how many the section audit loads (10000000)
  --processes N    of the service, and of the bare server (cores)
  --json FILE      write every number there too
  --help
`;

async function main(): Promise<void> {
  const { values: options, positionals } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      processes: { type: 'string', default: String(availableParallelism()) },
      events: { type: 'string', default: '10000000' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (options.help) return void process.stdout.write(HELP);
  const name = positionals[0] ?? 'service';
  const section = SECTIONS[name];
  if (!section) throw new Error(`there is no section ${name}\n\n${HELP}`);
  const count = options.quick ? 1 : Number(options.rounds ?? section.rounds);
  const processes = Number(options.processes);

  const { heading, lines, rounds, notes } = await section.run({
    quick: options.quick,
    rounds: count,
    processes,
    events: Number(options.events),
  });
  process.stdout.write(`\n${machine()}, ${heading}, median of ${count}\n\n${table(lines)}\n${notes}`);
  if (options.json) {
    writeFileSync(
      options.json,
      JSON.stringify({ machine: machine(), section: name, processes, lines, rounds }, null, 2),
    );
  }
}

main().then(
  () => process.exit(0),
  (error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
