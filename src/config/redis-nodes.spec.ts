import { invalidRedisUrl, redisNodes } from './redis-nodes';

const NODE = 'redis://app:x@node-1.internal:6379';

describe('REDIS_URL', () => {
  it.each([
    ['redis://localhost:6379/3'],
    ['rediss://:x@redis.internal'],
    ['redis://:x,y@redis.internal'],
    [`${NODE},redis://app:x@node-2.internal:6379`],
    [`${NODE}/0, redis://app:x@[2001:db8::7]:7000/`],
  ])('may be %s', (text) => expect([...invalidRedisUrl(text)]).toEqual([]));

  it('names one server, or the nodes of a cluster', () => {
    expect(redisNodes(NODE)).toHaveLength(1);
    expect(redisNodes('redis://:x,y@a:1,redis://:x,y@b:1').map(({ password }) => password)).toEqual([
      'x,y',
      'x,y',
    ]);
    expect(redisNodes(`${NODE} , redis://b:1`).map(({ host }) => host)).toEqual([
      'node-1.internal:6379',
      'b:1',
    ]);
  });

  it.each([
    ['http://app:x@node-1.internal', /must start with redis:/],
    [`${NODE},http://app:x@node-2.internal`, /must start with redis:/],
    [`${NODE},rediss://app:x@node-2.internal`, /all redis:\/\/ or all rediss:/],
    [`${NODE},redis://app:y@node-2.internal`, /the same user and password/],
    [`${NODE},redis://node-2.internal`, /the same user and password/],
    [`${NODE},redis://app:x@node-2.internal/1`, /no database but 0/],
    [`${NODE},redis://app:x@node-2.internal?db=1`, /take no options/],
    [`${NODE},redis:///0`, /has no host/],
  ])('is refused for its nodes: %s', (text, reason) => {
    const problems = [...invalidRedisUrl(text)];
    expect(problems.join('\n')).toMatch(reason);
    // A password is nobody's to read in a log.
    for (const problem of problems) expect(problem).not.toMatch(/:x@|:y@/);
  });
});
