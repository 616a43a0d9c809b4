import { freePort } from '../../../src/embedded/ports';
import { Command } from '../command';
import { Fault } from '../fault';
import { masterKeyVersion, Secrets } from '../secrets';

const ROWS = 900;

/** First the command that makes the new key, and then the instance that goes on with it: neither comes to the end. */
export const killedInRewrap: Fault = {
  name: 'killed-in-rewrap',
  title: 'a re-wrap under a new master key is killed (-9), and so is the instance that goes on with it',
  promise: 'the next instance that starts finishes it; every secret can be read all the time',
  isQuick: false,
  run: (world) =>
    world.watch(async (watch) => {
      const [victim] = world.instances;
      const secrets = await Secrets.prepare(watch, ROWS);
      const version = String((await masterKeyVersion(world)) + 1);
      const third = victim.twin('c', await freePort());
      try {
        let goOn = await secrets.stopAt(ROWS / 3);
        const command = new Command(world, ['kms', 'rotate']);
        await secrets.untilUnder(version, ROWS / 3 - 10);
        await command.kill();
        await goOn();
        const first = await secrets.under(version);

        await victim.end('SIGTERM');
        goOn = await secrets.stopAt((ROWS * 2) / 3);
        // It begins before it listens, and may not come so far as to do that.
        const starting = victim.start().catch(() => undefined);
        await secrets.untilUnder(version, (ROWS * 2) / 3 - 10);
        await victim.end('SIGKILL');
        await starting;
        await goOn();
        const second = await secrets.under(version);

        const began = performance.now();
        await third.start();
        await secrets.untilUnder(version, ROWS);
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        watch.note(
          `${first} and ${second} of ${ROWS} secrets were done at the kills, all of them ${seconds} s after the next start`,
        );
      } finally {
        await third.end('SIGTERM');
        await victim.start();
        await secrets.end();
      }
      watch.note(`${secrets.reads} reads`);
      const status = await new Command(world, ['kms', 'status']).done();
      if (!status.includes(`Everything is under version ${version}.`))
        watch.broken('something is left under an old master key', status);
    }),
};
