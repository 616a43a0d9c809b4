/**
 * What a whole run puts together. A spec file by itself loads the service's modules anew, which takes longer than most
 * of its tests; the specs of a batch load them once. A spec goes to the batch with the longest beginning of its path.
 */
const { readdirSync } = require('node:fs');
const { join, sep } = require('node:path');

const ROOT = join(__dirname, '..', '..');

/** Paths begin with one of these. */
const BATCHES = {
  units: ['src/'],
  trading: ['test/http/trading-', 'test/http/kite-'],
  'trading-faults': [
    'test/trading-',
    'test/kite-',
    'test/kept-',
    'test/http/trading-in-flight',
    'test/http/trading-accounts',
  ],
  audit: ['test/http/audit-', 'test/http/asyncapi'],
  'audit-proof': ['test/audit-', 'test/chain', 'test/event', 'test/migrations'],
  webhooks: ['test/http/webhooks', 'test/webhook-'],
  'webhooks-sending': ['test/webhooks-'],
  google: ['test/http/google', 'test/http/international'],
  users: ['test/http/users-', 'test/users-', 'test/http/profile'],
  authz: ['test/http/authz-', 'test/http/api-keys', 'test/authz-'],
  mfa: ['test/http/mfa', 'test/http/password-', 'test/http/change-', 'test/http/email-'],
  'sign-in': ['test/http/'],
  keys: ['test/kms-', 'test/vault', 'test/aws', 'test/data-keys', 'test/contract/', 'test/http/signing-keys'],
  faults: ['test/redis-', 'test/postgres-', 'test/relay', 'test/two-', 'test/metrics'],
  rest: ['test/'],
};

/** They replace modules, watch memory, count what the whole process did, or take long, and stay by themselves. */
const ALONE = [
  'src/common/app-error.spec.ts',
  'test/cli.spec.ts',
  'test/drill.spec.ts',
  'test/http/audit-export-large.spec.ts',
  'test/http/audit-export-memory.spec.ts',
  'test/http/bad-input.spec.ts',
  'test/http/second-broker.spec.ts',
  'test/mail.spec.ts',
  'test/metrics.spec.ts',
  'test/near-cache.spec.ts',
  'test/round-trips.spec.ts',
  'test/start.spec.ts',
  'test/workers.spec.ts',
];

/** @returns the paths of a batch's specs, from the top of the project. */
function specsOf(name) {
  return allSpecs().filter((spec) => !ALONE.includes(spec) && batchOf(spec) === name);
}

function batchOf(spec) {
  const fitting = Object.entries(BATCHES).flatMap(([name, beginnings]) =>
    beginnings.filter((beginning) => spec.startsWith(beginning)).map((beginning) => ({ name, beginning })),
  );
  return fitting.sort((a, b) => b.beginning.length - a.beginning.length)[0]?.name;
}

function allSpecs() {
  return ['src', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .map((file) => `${folder}/${file.split(sep).join('/')}`)
      // Those of the cluster are another run: see cluster/jest.config.js.
      .filter((file) => file.endsWith('.spec.ts') && !file.startsWith('test/cluster/'))
      .sort(),
  );
}

module.exports = { ROOT, BATCHES, ALONE, allSpecs, specsOf };
