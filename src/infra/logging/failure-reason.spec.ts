import { failureReason } from './failure-reason';

describe('failureReason', () => {
  it("keeps the codes of a mail server's reply and none of its words", () => {
    const error = Object.assign(new Error("Can't send mail: 550 5.1.1 <ann@example.com> unknown"), {
      code: 'EENVELOPE',
      responseCode: 550,
      response: '550 5.1.1 <ann@example.com> unknown, ann has moved',
      command: 'RCPT TO',
    });
    expect(failureReason(error)).toBe('EENVELOPE 550 5.1.1 at RCPT TO');
  });

  it('keeps what the network says', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:25'), { code: 'ESOCKET' });
    expect(failureReason(error)).toBe('ESOCKET: connect ECONNREFUSED 127.0.0.1:25');
  });

  it('takes addresses and tokens out, and all but the first line', () => {
    const reason = failureReason(
      new TypeError(`no "Ann"<ann@example.com> for ${'x'.repeat(43)}\n at secret.ts`),
    );
    expect(reason).toBe('TypeError: no [address] for [redacted]');
  });

  it('bears whatever is thrown', () => {
    expect(failureReason('ann@example.com')).toBe('unknown error');
    expect(failureReason(undefined)).toBe('unknown error');
  });
});
