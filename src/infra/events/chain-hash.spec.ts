import { createHash } from 'node:crypto';
import { CanonicalEvent, CHAIN_START, eventHash, linkHash } from './chain-hash';

const EVENT: CanonicalEvent = {
  event_id: '01890000-0000-7000-8000-000000000001',
  event_type: 'user.suspended',
  timestamp: '2026-01-02T03:04:05.678901Z',
  source: 'user_service',
  priority: 'high',
  subject: 'user:01890000-0000-7000-8000-000000000002',
  actor: 'system',
  resource: null,
  data: { b: [1, 1e21, -0, 0.1, null, true], a: { 'é"\\': '\u2028\n' }, A: '' },
  metadata: { request_id: 'r-1' },
  personal_digests: { data: 'abc' },
};

/** Written by hand, as RFC 8785 has it. */
const CANONICAL =
  '{"actor":"system","data":{"A":"","a":{"é\\"\\\\":"\u2028\\n"},"b":[1,1e+21,0,0.1,null,true]},' +
  '"event_id":"01890000-0000-7000-8000-000000000001","event_type":"user.suspended","metadata":{"request_id":"r-1"},' +
  '"personal_digests":{"data":"abc"},"priority":"high","resource":null,"source":"user_service",' +
  '"subject":"user:01890000-0000-7000-8000-000000000002","timestamp":"2026-01-02T03:04:05.678901Z"}';

const sha256 = (...parts: (string | Uint8Array)[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

describe('the hash of an event', () => {
  it('is SHA-256 of its canonical form', () => {
    expect(eventHash(EVENT).toString('hex')).toBe(sha256(CANONICAL));
    expect(eventHash(EVENT).toString('hex')).toBe(
      '64059d05254ee17513622eed6bfaba79ce0ae51da31da41a9d9d2a73968e4683',
    );
  });

  it('does not depend on the order of members, nor on what is no column', () => {
    const turned = Object.fromEntries(Object.entries(EVENT).reverse()) as unknown as CanonicalEvent;
    expect(eventHash({ ...turned, place: '17' } as CanonicalEvent)).toEqual(eventHash(EVENT));
  });

  it.each(Object.keys(EVENT) as (keyof CanonicalEvent)[])('covers %s', (column) => {
    const value = EVENT[column];
    const changed = typeof value === 'object' ? { ...value, more: 1 } : `${value}x`;
    expect(eventHash({ ...EVENT, [column]: changed })).not.toEqual(eventHash(EVENT));
  });

  it('tells an empty resource from none', () => {
    expect(eventHash({ ...EVENT, resource: '' })).not.toEqual(eventHash(EVENT));
  });
});

describe('the hash of a link', () => {
  const event = eventHash(EVENT);

  it.each([
    [1, '0000000000000001'],
    [258, '0000000000000102'],
    [2 ** 40 + 1, '0000010000000001'],
  ])('is SHA-256 of the link before, the position %i and the event', (position, bytes) => {
    const before = Buffer.alloc(32, 7);
    expect(linkHash(before, position, event).toString('hex')).toBe(
      sha256(before, Buffer.from(bytes, 'hex'), event),
    );
  });

  it('begins with 32 zero bytes', () => {
    expect(linkHash(CHAIN_START, 1, event).toString('hex')).toBe(
      sha256(Buffer.from(`${'00'.repeat(39)}01`, 'hex'), event),
    );
    expect(linkHash(CHAIN_START, 1, event).toString('hex')).toBe(
      'f29156ec989b5db9b0814d5bb6330de6c75eab42241e510a88ce5e8173ade9b5',
    );
  });
});
