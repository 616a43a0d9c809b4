import { Command } from 'commander';
import { text } from 'node:stream/consumers';
import { CreateAdministrator } from '../users/create-administrator.service';
import { withApp } from './with-app';

interface CreateAdminOptions {
  email: string;
  name: string;
  passwordStdin?: boolean;
}

/** `create-admin`. */
export function createAdminCommand(): Command {
  return new Command('create-admin')
    .description('Makes an administrator, or an existing account one.')
    .requiredOption('--email <address>', 'e-mail address')
    .requiredOption('--name <name>', 'name')
    .option(
      '--password-stdin',
      'read the password from standard input; without it one is made and printed once',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  npm run cli -- create-admin --email ada@example.com --name "Ada Lovelace"' +
        '\n  npm run -s cli -- create-admin --email ada@example.com --name Ada --password-stdin < password.txt',
    )
    .action(async ({ email, name, passwordStdin }: CreateAdminOptions) => {
      // A password on the command line would be seen in the list of processes.
      const password = passwordStdin ? (await text(process.stdin)).replace(/\r?\n$/, '') : undefined;
      const admin = await withApp((app) => app.get(CreateAdministrator).run({ email, name, password }));
      console.log(
        admin.created
          ? `${admin.email} is an administrator now.`
          : `${admin.email} was there already: it keeps its password and is an administrator now.`,
      );
      if (admin.password) console.log(`Password, shown once: ${admin.password}`);
    });
}
