import { Logger } from '@nestjs/common';
import { TokenLease, VaultTokenRenewal } from './vault-token-renewal';

describe('VaultTokenRenewal', () => {
  const answers: (TokenLease | null | Error)[] = [];
  let asked = 0;
  const renewal = new VaultTokenRenewal(async () => {
    asked++;
    const [answer = { seconds: 3_000, renewable: true }] = answers.splice(0, 1);
    if (answer instanceof Error) throw answer;
    return answer;
  });
  /** How often it was asked in so many seconds. */
  const askedIn = async (seconds: number): Promise<number> => {
    asked = 0;
    await jest.advanceTimersByTimeAsync(seconds * 1000);
    return asked;
  };

  beforeEach(() => {
    jest.useFakeTimers();
    jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
  });
  afterEach(() => {
    renewal.stop();
    answers.length = 0;
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  it('asks as soon as a token was believed, then when two thirds of its life are over, until it is stopped', async () => {
    expect(await askedIn(10)).toBe(0);
    renewal.used('one');
    expect(await askedIn(0)).toBe(1);
    renewal.used('one');
    expect(await askedIn(1_999)).toBe(0);
    expect(await askedIn(1)).toBe(1);
    expect(await askedIn(20_000)).toBe(10);
    renewal.stop();
    expect(await askedIn(20_000)).toBe(0);
  });

  it('begins anew with another token', async () => {
    renewal.used('one');
    await askedIn(1_000);
    renewal.used('two');
    expect(await askedIn(1_999)).toBe(1);
    expect(await askedIn(1)).toBe(1);
  });

  it('asks again soon after a renewal that failed', async () => {
    renewal.used('one');
    await askedIn(0);
    answers.push(new Error('429'), new Error('429'));
    expect(await askedIn(2_000)).toBe(1);
    expect(await askedIn(10)).toBe(1);
    expect(await askedIn(10)).toBe(1);
    expect(await askedIn(1_999)).toBe(0);
  });

  it.each([null, { seconds: 600, renewable: false }, { seconds: 0, renewable: true }])(
    'asks once where Vault does not renew it: %j',
    async (answer) => {
      answers.push(answer);
      renewal.used('one');
      expect(await askedIn(100_000)).toBe(1);
    },
  );
});
