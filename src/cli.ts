/** `npm run cli -- <command>`: what an operator does beside the HTTP door. Each command is a file under cli/. */
import 'reflect-metadata';
import { Command } from 'commander';
import { auditCommand } from './cli/audit.command';
import { createAdminCommand } from './cli/create-admin.command';
import { eventsCommand } from './cli/events.command';
import { failureText } from './cli/failure';
import { keysCommand } from './cli/keys.command';
import { kmsCommand } from './cli/kms.command';

const program = new Command('npm run cli --')
  .description('Commands of User Service. They read the environment and .env as the service does.')
  .showHelpAfterError()
  .addCommand(createAdminCommand())
  .addCommand(keysCommand())
  .addCommand(kmsCommand())
  .addCommand(eventsCommand())
  .addCommand(auditCommand());

program.parseAsync().catch((error: unknown) => {
  console.error(failureText(error));
  // What was opened before the failure must not keep the process.
  process.exit(1);
});
