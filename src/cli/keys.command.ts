import { Command, Option } from 'commander';
import { KEY_USES, KeyUse } from '../tokens/signing-key.entity';
import { KeySummary, SigningKeys } from '../tokens/signing-keys.service';
import { withApp } from './with-app';

/** `keys list`, `keys rotate` and `keys revoke`. */
export function keysCommand(): Command {
  const keys = new Command('keys').description('Signing keys of tokens.');
  keys
    .command('list')
    .description('Every key, newest first. Nothing secret is shown.')
    .action(() => withApp(async (app) => (await app.get(SigningKeys).list()).forEach(print)));
  keys
    .command('rotate')
    .description('Makes the next key. It is published now and signs after ten minutes.')
    .addOption(
      new Option(
        '--use <use>',
        'access: of access tokens; opaque: of refresh tokens and links in mail; audit: of daily seals',
      )
        .choices(KEY_USES)
        .default('access'),
    )
    .option('--now', 'sign with it at once; the present one still verifies, see revoke')
    .addHelpText(
      'after',
      '\nWith --now gateways may refuse new tokens until they read the key set again, at most five minutes.' +
        '\n\nExamples:\n  npm run cli -- keys rotate\n  npm run cli -- keys rotate --now',
    )
    .action(({ use, now }: { use: KeyUse; now?: boolean }) =>
      withApp(async (app) => print(await app.get(SigningKeys).rotate({ use, immediately: now ?? false }))),
    );
  keys
    .command('revoke')
    .argument('<kid>', 'key id, see list')
    .description('Takes a leaked key out of force at once: what it has signed is refused.')
    .addHelpText(
      'after',
      '\nAfter an access key everybody refreshes; after an opaque key everybody signs in again.' +
        '\nGateways follow when they read the key set again, at most five minutes.',
    )
    .action((kid: string) =>
      withApp(async (app) => {
        const key = await app.get(SigningKeys).revoke(kid);
        if (!key) throw new Error(`there is no key ${kid}`);
        print(key);
      }),
    );
  return keys;
}

function print(key: KeySummary): void {
  const times = `made ${key.createdAt.toISOString()}  signs from ${key.activatesAt.toISOString()}`;
  console.log(`${key.kid}  ${key.use}  ${key.alg}  ${key.status.padEnd(8)}  ${times}`);
}
