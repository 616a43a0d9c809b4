/**
 * `npm run bench`: how fast the service is, against what the same machine can do at most in the same run. Servers,
 * service, clients and bounds are processes of their own; rounds interleave them; the medians count.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { auditSection } from './audit-section';
import { eventsSection } from './events-section';
import { machine, table } from './report';
import { Section } from './section';
import { serviceSection } from './service-section';
import { verifySection } from './verify-section';

const SECTIONS: Record<string, Section> = {
  service: serviceSection,
  events: eventsSection,
  audit: auditSection,
  verify: verifySection,
};

const HELP = `npm run bench -- [section] [options]

  service          sign-ins, reads and credentials over HTTP (default)
  events           those who record events, with the hash chain and without
  audit            queries of events, of ten thousand and of ten million (loading them takes minutes, and 10 GB of disk)
  verify           the proof of a million events

  --quick          one short round (about half a minute), to see whether it runs
  --rounds N       rounds (3)
  --events N       how many the section audit loads (10000000)
  --processes N    WEB_CONCURRENCY of the service (1)
  --json FILE      write every number there too
  --help
`;

async function main(): Promise<void> {
  const { values: options, positionals } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      processes: { type: 'string', default: '1' },
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
  const count = options.quick ? 1 : Number(options.rounds);
  const processes = Number(options.processes);

  const { heading, lines, rounds, notes } = await section({
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
