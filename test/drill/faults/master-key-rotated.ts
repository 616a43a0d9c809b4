import { Command } from '../command';
import { Fault } from '../fault';
import { masterKeyVersion, Secrets } from '../secrets';

export const masterKeyRotated: Fault = {
  name: 'master-key-rotated',
  title: 'the master key is rotated under load (`kms rotate`)',
  promise: 'nobody notices',
  isQuick: true,
  run: (world) =>
    world.watch(async (watch) => {
      const rows = world.isQuick ? 200 : 3_000;
      const version = String((await masterKeyVersion(world)) + 1);
      const secrets = await Secrets.prepare(watch, rows);
      try {
        const said = await new Command(world, ['kms', 'rotate']).done();
        if (!said.includes(`Everything is under version ${version}.`))
          watch.broken('something is left under the old master key', said);
        await watch.last(2, 0.3);
      } finally {
        await secrets.end();
      }
      watch.note(`${rows} secrets were re-wrapped during ${secrets.reads} reads`);
    }),
};
