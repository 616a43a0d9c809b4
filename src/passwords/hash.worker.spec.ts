import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const DIST = join(__dirname, '../../dist/src/passwords/hash.worker.js');
const PROGRAM = `
  const Piscina = require('piscina');
  const pool = new Piscina({ filename: ${JSON.stringify(DIST)}, maxThreads: 1 });
  pool.run({ kind: 'hash', password: 'Ganga-Sunrise-42!', cost: 4 }).then((hash) => {
    console.log(hash.slice(0, 7));
    process.exit();
  });
`;

it('A thread that hashes keeps the priority of a process that was started with a lower one', () => {
  const { status, stdout, stderr } = spawnSync('nice', ['-n', '15', process.execPath, '-e', PROGRAM], {
    cwd: join(__dirname, '../..'),
    encoding: 'utf8',
    timeout: 20_000,
    // Root may raise it, and would see nothing of this.
    ...(process.getuid?.() === 0 && { uid: 65_534, gid: 65_534 }),
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '$2b$04$\n', stderr: '' });
});
