import { isUnavailable } from './unavailable';

const withCode = (code: string, message = 'failed'): Error => Object.assign(new Error(message), { code });

describe('isUnavailable', () => {
  it.each(['ECONNREFUSED', 'ETIMEDOUT', 'EPIPE', '57014', '57P01', '53300', '08006', '40P01', '55P03'])(
    'is so for the code %s',
    (code) => expect(isUnavailable(withCode(code))).toBe(true),
  );

  it.each([
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Connection terminated unexpectedly',
    'Command timed out',
    'Connection is closed.',
    "Stream isn't writeable and enableOfflineQueue options is false",
    'LOADING Redis is loading the dataset in memory',
    "READONLY You can't write against a read only replica.",
    'CLUSTERDOWN Hash slot not served',
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    // Of a node that took over between a script's loading and its use.
    'NOSCRIPT No matching script. Please use EVAL.',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    "Cluster isn't ready and enableOfflineQueue options is false",
    'Cluster is ended.',
    'Too many Cluster redirections. Last error: ReplyError: MOVED 3999 127.0.0.1:6381',
    'None of startup nodes is available',
    'Command aborted due to connection close',
    'All keys in the pipeline should belong to the same slots allocation group',
  ])('is so for the message %s', (message) => expect(isUnavailable(new Error(message))).toBe(true));

  it('looks into what wraps an error', () => {
    expect(isUnavailable(new Error('query failed', { cause: withCode('ECONNRESET') }))).toBe(true);
    expect(isUnavailable(Object.assign(new Error('query failed'), { driverError: withCode('57P03') }))).toBe(
      true,
    );
  });

  it.each([
    withCode('23505'),
    withCode('42P01'),
    withCode('22P05'),
    withCode('ENOENT'),
    new TypeError('x is undefined'),
  ])('is not so for a mistake: %s', (error) => expect(isUnavailable(error)).toBe(false));

  it.each([undefined, null, 'ECONNREFUSED', { code: 'ECONNREFUSED' }])(
    'is not so for what is no error: %j',
    (thrown) => expect(isUnavailable(thrown)).toBe(false),
  );

  it('ends with errors that cause themselves', () => {
    const [a, b] = [new Error('a'), new Error('b')];
    Object.assign(a, { cause: b });
    Object.assign(b, { cause: a });
    expect(isUnavailable(a)).toBe(false);
  });
});
