import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

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
