/** `npm run migrate`: brings the database to what this version needs. `-- --undo` takes the last step back. */
import 'reflect-metadata';
import { migrations } from '../migrations';
import { commandConfig } from './cli/command-config';
import { failureText } from './cli/failure';
import { migrate, undoLastMigration } from './infra/database/migrate';

async function main(): Promise<void> {
  const config = await commandConfig();
  if (process.argv.includes('--undo')) {
    const undone = await undoLastMigration(config, migrations);
    print(undone ? `undone: ${undone}` : 'There is nothing to undo.');
    return;
  }
  const names = await migrate(config, migrations);
  for (const name of names) print(`migrated: ${name}`);
  print('The database is up to date.');
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`The database could not be migrated: ${failureText(error)}\n`);
  process.exitCode = 1;
});
