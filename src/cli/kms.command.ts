import type { INestApplicationContext } from '@nestjs/common';
import { Command } from 'commander';
import { KMS, Kms } from '../infra/kms/kms';
import { Rewrap, RewrapProgress } from '../infra/kms/rewrap.service';
import { RotateMasterKey } from '../infra/kms/rotate-master-key.service';
import { withApp } from './with-app';

const PROGRESS_EVERY_MS = 500;
/** Rows that are named one by one. */
const NAMED = 20;

/** `kms status`, `kms rotate` and `kms rewrap`. */
export function kmsCommand(): Command {
  const kms = new Command('kms').description(
    'The master key, under which all other keys and secrets are stored.',
  );
  kms
    .command('status')
    .description('Which version wraps, and how many secrets are under which. Nothing secret is shown.')
    .action(() => withApp(status));
  kms
    .command('rotate')
    .description('Makes the next version of the master key, and puts everything under it. Nobody notices.')
    .option('--prepare', 'local: only write the version into the file, to be carried to every machine first')
    .addHelpText(
      'after',
      '\nProgress goes to standard error. If it is interrupted, `kms rewrap` goes on, and so does the service by itself.' +
        '\nVersions before it still unwrap: keep them, backups of the database need them.' +
        '\nA key file (KMS_PROVIDER=local) of which each machine has a copy: rotate --prepare, copy the file to every' +
        '\nmachine, then rotate, and copy it once more.' +
        '\n\nExamples:\n  npm run cli -- kms rotate\n  npm run cli -- kms rotate --prepare',
    )
    .action(({ prepare: isPreparing }: { prepare?: boolean }) => withApp(isPreparing ? prepare : rotate));
  kms
    .command('rewrap')
    .description('Puts what is under an older version of the master key under the present one.')
    .addHelpText(
      'after',
      '\nGoes on where another was interrupted; harmless at any time. Ends with 1 where something is left.' +
        '\n\nExamples:\n  npm run cli -- kms rewrap\n  npm run cli -- kms status',
    )
    .action(() => withApp(rewrap));
  return kms;
}

async function status(app: INestApplicationContext): Promise<void> {
  const kms = app.get<Kms>(KMS);
  const current = await kms.currentVersion();
  const counts = await app.get(Rewrap).counts();
  console.log(`provider ${kms.provider}, version ${current} wraps`);
  for (const { table, version, rows } of counts) {
    const note = version === current ? '' : '  to be re-wrapped';
    console.log(`${table.padEnd(18)}  ${`version ${version || '?'}`.padEnd(12)}  ${rows}${note}`);
  }
  const left = counts.filter(({ version }) => version !== current).reduce((sum, { rows }) => sum + rows, 0);
  console.log(
    left === 0 ? `Everything is under version ${current}.` : `${left} left: npm run cli -- kms rewrap`,
  );
}

async function prepare(app: INestApplicationContext): Promise<void> {
  const version = await app.get(RotateMasterKey).prepare();
  console.log(`Version ${version} is in the file and does not wrap yet.`);
  console.log('Copy the file to every machine, then: npm run cli -- kms rotate');
}

async function rotate(app: INestApplicationContext): Promise<void> {
  const version = await app.get(RotateMasterKey).run();
  console.log(`Version ${version} wraps from now on.`);
  await rewrap(app);
}

async function rewrap(app: INestApplicationContext): Promise<void> {
  const { version, rewrapped, damaged, noKey, left } = await app.get(Rewrap).run({ onProgress: reporter() });
  for (const [table, rows] of rewrapped) console.log(`${table.padEnd(18)}  ${rows} re-wrapped`);
  name(damaged, 'not what was wrapped');
  name(noKey, 'under a version whose key is not here');
  if (left > 0)
    throw new Error(
      `${left} secrets are not under version ${version}: ${damaged.size} are damaged, the key of ${noKey.size} is not here.`,
    );
  console.log(`Everything is under version ${version}.`);
}

function name(rows: Set<string>, problem: string): void {
  for (const row of [...rows].slice(0, NAMED)) console.error(`${row}: ${problem}`);
}

/** Tells now and then how far it is, and always when a table is done. */
function reporter(): (progress: RewrapProgress) => void {
  let due = 0;
  return ({ table, done, total }) => {
    if (done !== total && performance.now() < due) return;
    due = performance.now() + PROGRESS_EVERY_MS;
    console.error(`${table}: ${done} of ${total}`);
  };
}
