import fc from 'fast-check';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { TestService } from '../support/app';
import { LinkedAccount, linkAccount, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { callsDuring, credentialsOf, LINK, rowsOf, share, UNKNOWN_TOKEN } from '../support/trading-life';

const NAMES = ['broker', 'api_key', 'api_secret', 'request_token', 'access_token', 'nickname', 'use'];
const CREDENTIAL = /^[\x21-\x7e]{8,128}$/;
const TOKEN = /^[\x21-\x7e]{8,512}$/;

/** Values that are about right, and about anything else. */
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.stringMatching(/^[\x21-\x7e]{7,9}$/),
  fc.stringMatching(/^[a-z0-9]{32}$/),
  fc.constantFrom('kite', 'staged', 'current', '', '__proto__', UNKNOWN_TOKEN),
  fc.jsonValue({ maxDepth: 2 }),
);
const body = fc.dictionary(fc.constantFrom(...NAMES, 'status', 'user_id'), value, {
  maxKeys: 7,
});

describe('bodies of trading accounts', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let account: LinkedAccount;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite({ RATELIMIT_BROKER_CALLS: '100000' }));
    person = await newVerified(service);
    account = await linkAccount(service, kite, person);
    await share(service, account.accountId, (await newVerified(service)).userId, ['view']);
  });
  afterAll(() => service.stop());

  const isText = (pattern: RegExp, text: unknown): boolean => typeof text === 'string' && pattern.test(text);
  const isCredentials = (given: Record<string, unknown>): boolean =>
    isText(CREDENTIAL, given.api_key) &&
    isText(CREDENTIAL, given.api_secret) &&
    [given.request_token, given.access_token].every((token) => token == null || isText(TOKEN, token)) &&
    (given.request_token == null || given.access_token == null);

  const routes: [string, () => string, (given: Record<string, unknown>) => boolean][] = [
    ['link', () => LINK, (given) => given.broker === 'kite' && isCredentials(given)],
    ['rotate', () => `/v1/trading-accounts/${account.accountId}/rotate-credentials`, isCredentials],
    [
      'session',
      () => `/v1/trading-accounts/${account.accountId}/session`,
      ({ request_token: token, use }) =>
        isText(TOKEN, token) && (use == null || use === 'staged' || use === 'current'),
    ],
  ];

  it.each(routes)('for %s are refused before Kite hears of them, or by Kite', async (_name, path, isGood) => {
    const before = await credentialsOf(service, account.accountId);
    await fc.assert(
      fc.asyncProperty(body, async (given) => {
        const stored = await rowsOf(service, person.userId);
        let status = 0;
        const calls = await callsDuring(kite, async () => {
          const reply = await service.client().post(path(), given, person.accessToken);
          ({ status } = reply);
        });
        // 400: names that JSON of good will does not have, such as __proto__.
        expect([200, 201, 400, 409, 422, 503]).toContain(status);
        if (!isGood(given)) {
          expect([400, 422]).toContain(status);
          expect(calls).toEqual([]);
          expect(await rowsOf(service, person.userId)).toEqual(stored);
        }
      }),
      { numRuns: 80 },
    );
    expect(await credentialsOf(service, account.accountId)).toEqual(before);
  });
});
