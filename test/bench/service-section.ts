import { Measures, Round } from './measures';
import { NOTES, serviceRows } from './service-rows';
import { summarise } from './report';
import { BenchOptions, Report } from './section';
import { setStage } from './stage';

/** The first 32 refresh and read, the last 16 sign in. */
const PEOPLE = 48;

/** Sign-ins, reads and credentials over HTTP, against what the machine can do at most. */
export async function serviceSection({ quick, rounds: count, processes }: BenchOptions): Promise<Report> {
  const rounds: Round[] = [];
  const stage = await setStage(processes, PEOPLE);
  const measures = new Measures(stage, quick ? 0.5 : 1.5);
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
  return {
    heading: `WEB_CONCURRENCY=${processes}`,
    lines: summarise(serviceRows, rounds),
    rounds,
    notes: NOTES,
  };
}
