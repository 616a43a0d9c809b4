import * as fc from 'fast-check';
import { startService, TestService } from '../support/app';
import { memberIds, membersOf, newTrader } from '../support/members';
import { passLimitWindows } from '../support/limit-windows';
import { SignedIn } from '../support/people';
import { expectInvalid } from '../support/problem';
import { storeAccount } from '../support/trading-accounts';

const HOUR = 3_600_000;
const soon = (hours: number): string => new Date(Date.now() + hours * HOUR).toISOString();

describe('an invitation to a trading account', () => {
  let service: TestService;
  let owner: SignedIn;
  let ravi: SignedIn;
  let account: string;
  beforeAll(async () => {
    service = await startService();
    [owner, ravi] = [await newTrader(service), await newTrader(service)];
    account = (await storeAccount(service, owner.userId)).accountId;
  });
  afterAll(() => service.stop());

  const post = (body: unknown) =>
    service.client().post(membersOf(account), body as object, owner.accessToken);

  it.each<[string, object]>([
    ['email', { email: undefined }],
    ['email', { email: null }],
    ['email', { email: 'nobody' }],
    ['email', { email: ['a@example.org'] }],
    ['permissions', { permissions: undefined }],
    ['permissions', { permissions: [] }],
    ['permissions', { permissions: 'view' }],
    ['permissions', { permissions: ['own'] }],
    ['permissions', { permissions: ['view', 'view'] }],
    ['permissions', { permissions: ['trading_account:view'] }],
    ['permissions', { permissions: [['view']] }],
    ['permissions', { permissions: { 0: 'view' } }],
    ['expires_at', { expires_at: '' }],
    ['expires_at', { expires_at: 4_102_444_800 }],
    ['expires_at', { expires_at: '2099-02-30T00:00:00Z' }],
    ['expires_at', { expires_at: '2020-01-01T00:00:00Z' }],
    ['expires_at', { expires_at: soon(24 * 366 * 10 + 1) }],
  ])('with a wrong %s is refused: %j', async (field, more) => {
    await expectInvalid(post({ email: ravi.person.email, permissions: ['view'], ...more }), field);
    expect(await memberIds(service, account)).toEqual([]);
  });

  it('never shares with anybody whom it does not name, and never breaks, whatever it is sent', async () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue());
    const permissions = fc.oneof(value, fc.array(fc.constantFrom('view', 'trade', 'manage', 'own', '')));
    const bodies = fc.record(
      { email: fc.oneof(value, fc.emailAddress()), permissions, expires_at: value },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const { status } = await post(body);
        // 400: no JSON object has a key `__proto__` here.
        expect([400, 404, 422]).toContain(status);
        if (status === 404) await passLimitWindows(service);
      }),
      { numRuns: 60 },
    );
    expect(await memberIds(service, account)).toEqual([]);
  });
});
