import { Logger } from '@nestjs/common';
import pino from 'pino';
import { NestLogger } from './nest-logger';

describe('NestLogger', () => {
  let records: Record<string, unknown>[];
  let nest: NestLogger;
  beforeEach(() => {
    records = [];
    const options = {
      level: 'trace',
      base: null,
      timestamp: false,
      formatters: { level: (level: string) => ({ level }) },
    } as const;
    nest = new NestLogger(pino(options, { write: (line) => void records.push(JSON.parse(line)) }));
    Logger.overrideLogger(nest);
  });
  afterEach(() => Logger.overrideLogger(false));

  it('writes each of its levels as one of ours', () => {
    for (const level of ['log', 'warn', 'error', 'debug', 'verbose', 'fatal'] as const)
      nest[level]('text', 'Here');
    expect(records).toEqual(
      ['info', 'warn', 'error', 'debug', 'trace', 'fatal'].map((level) => ({
        level,
        context: 'Here',
        msg: 'text',
      })),
    );
  });

  it('takes a message with and without a context', () => {
    new Logger('Mail').warn('no server');
    nest.warn('no server');
    expect(records).toEqual([
      { level: 'warn', context: 'Mail', msg: 'no server' },
      { level: 'warn', msg: 'no server' },
    ]);
  });

  it('takes members with a message, and alone', () => {
    const logger = new Logger('Http');
    logger.error({ request_id: 'r1', code: 'internal_error' }, 'Something went wrong.');
    logger.debug({ request_id: 'r2' });
    expect(records).toEqual([
      {
        level: 'error',
        context: 'Http',
        request_id: 'r1',
        code: 'internal_error',
        msg: 'Something went wrong.',
      },
      { level: 'debug', context: 'Http', request_id: 'r2' },
    ]);
  });

  it('takes an error, with its stack and cause', () => {
    new Logger('Jobs').error(new TypeError('no such job', { cause: new Error('gone') }));
    expect(records).toEqual([
      {
        level: 'error',
        context: 'Jobs',
        msg: 'no such job',
        err: {
          type: 'TypeError',
          message: expect.stringMatching(/^no such job/),
          stack: expect.stringMatching(/^TypeError: no such job\n[^]*caused by: Error: gone/),
        },
      },
    ]);
  });

  it('takes a message with the stack of an error', () => {
    const { stack } = new Error('broke');
    new Logger('Jobs').error('a job broke', stack);
    expect(records).toEqual([{ level: 'error', context: 'Jobs', msg: 'a job broke', stack }]);
  });

  it.each(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication'])(
    'has what %s tells of the start at debug, its warnings and errors not',
    (context) => {
      const logger = new Logger(context);
      logger.log('found');
      logger.warn('odd');
      logger.error('broken');
      expect(records.map(({ level, msg }) => [level, msg])).toEqual([
        ['debug', 'found'],
        ['warn', 'odd'],
        ['error', 'broken'],
      ]);
    },
  );
});
