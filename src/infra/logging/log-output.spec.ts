import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const SOURCES = join(__dirname, '../../../dist/src');
const PREPARE = `
  const { loadConfig } = require(${JSON.stringify(join(SOURCES, 'config/config.js'))});
  const { createLoggers } = require(${JSON.stringify(join(SOURCES, 'infra/logging/create-logger.js'))});
  const { logger, accessLogger } = createLoggers(loadConfig({}));
`;

/** What a process of its own writes that logs so: the messages in their order. */
function written(program: string): string[] {
  const { stdout } = spawnSync(process.execPath, ['-e', PREPARE + program], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
}

describe('Lines of the access log', () => {
  const lines = `
    accessLogger.info('1');
    accessLogger.info('2');
    logger.warn('3');
    accessLogger.info('4');
  `;

  it.each([
    ['has nothing left to do', ''],
    ['exits', 'process.exit(1);'],
    ['ends by an exception', 'throw new Error("oh");'],
  ])('are all there when the process %s', (_how, end) => {
    // The last lines of a process do not wait for those that are being written.
    expect(written(lines + end).sort()).toEqual(['1', '2', '3', '4']);
  });

  it('keep their place among the others, and are not kept back for more than some milliseconds', () => {
    const kill = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);`;
    expect(written(lines + kill)).toEqual(['1', '2', '3', '4']);
  });

  it('are left out below the level that is set', () => {
    expect(written(`accessLogger.debug('1'); accessLogger.info('2');`)).toEqual(['2']);
  });
});

describe('Standard output', () => {
  /** Some 50 MB, a part of them in each turn of the event loop. */
  const flood = `
    const { randomBytes } = require('node:crypto');
    let n = 0;
    const some = () => { for (let i = 0; i < 500; i++) accessLogger.info({ n: n++ }, randomBytes(250).toString('hex')); };
    const logging = setInterval(some, 1);
    const go = (end) => setTimeout(() => { clearInterval(logging); end(); }, 800);
  `;

  it('that takes nothing, because its disk is full, ends no process and keeps none from ending', () => {
    const full = openSync('/dev/full', 'w');
    try {
      const program = `${PREPARE}${flood} logger.warn('1'); go(() => { console.error('still here'); process.exit(7); });`;
      const { status, stderr } = spawnSync(process.execPath, ['-e', program], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
        timeout: 10_000,
      });
      expect({ status, stderr }).toEqual({ status: 7, stderr: 'still here\n' });
    } finally {
      closeSync(full);
    }
  });

  it('that nobody reads keeps no more than some megabytes, and lets the process end', async () => {
    const program = `${PREPARE}${flood}
      const kept = () => { gc(); return process.memoryUsage().heapUsed; };
      const before = kept();
      go(() => { console.error(kept() - before); process.exit(7); });`;
    const child = spawn(process.execPath, ['--expose-gc', '-e', program]);
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(10_000) });
    expect(Number(await text(child.stderr))).toBeLessThan(20_000_000);
    expect(await ended).toEqual([7, null]);
  });

  it('tells how many lines were lost once somebody reads again', async () => {
    const child = spawn(process.execPath, [
      '-e',
      `${PREPARE}${flood} go(() => { console.error(n); process.stdin.once('data', () => logger.warn('the last')).once('end', () => process.exit()); });`,
    ]);
    const [logged] = (await once(child.stderr, 'data')) as [Buffer];
    const output = text(child.stdout);
    await sleep(500);
    child.stdin.write('read');
    await sleep(100);
    child.stdin.end();
    const lines = (await output).trim().split('\n');
    const lost = /^(\d+) lines of the log could not be written$/m.exec(
      lines.map((line) => (JSON.parse(line) as { msg: string }).msg).find((msg) => msg.includes(' lines ')) ??
        '',
    );
    expect(Number(lost?.[1])).toBeGreaterThan(0);
    // All others are there, beside that line and the last one.
    expect(lines.length - 2 + Number(lost?.[1])).toBe(Number(logged.toString()));
  });

  it('of several processes has one line after the other, however slowly it is read', async () => {
    const program = `${PREPARE}${flood} go(() => process.exit());`;
    const child = spawn('sh', ['-c', `"$0" -e "$1" & "$0" -e "$1" & wait`, process.execPath, program]);
    let output = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      output += chunk as string;
      if (output.length < 3_000_000) await sleep(5);
    }
    const lines = output.trim().split('\n');
    expect(lines.length).toBeGreaterThan(1_000);
    expect(lines.filter((line) => !/^\{"level".*\}$/.test(line))).toEqual([]);
  });
});
