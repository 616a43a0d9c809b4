import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/** Specs of the other run, once more on a Redis Cluster: of sessions, limits, permissions and the outbox. */
const SPECS = [
  'test/session-store.spec.ts',
  'test/http/sessions.spec.ts',
  'test/http/refresh.spec.ts',
  'test/http/logout.spec.ts',
  'test/limits.spec.ts',
  'test/authz-cache.spec.ts',
  'test/http/authz-check.spec.ts',
  'test/http/authz-grants.spec.ts',
  'test/events.spec.ts',
  'test/relay.spec.ts',
  'test/relay-redis-loss.spec.ts',
  'test/two-instances.spec.ts',
];

for (const spec of SPECS) {
  describe(`${spec}, on a cluster`, () => {
    afterAll(() => jest.restoreAllMocks());
    jest.requireActual(join(ROOT, spec));
  });
}
