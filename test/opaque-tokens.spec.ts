import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { idBytes, newId } from '../src/common/ids';
import { RefreshTokens } from '../src/sessions/refresh-tokens';
import { KeyRing } from '../src/tokens/key-ring';
import { OneTimeTokens } from '../src/tokens/one-time-tokens.service';
import { OpaquePurpose, OpaqueTokens } from '../src/tokens/opaque-tokens.service';
import { PUBLISH_AHEAD_MS, SigningKeys } from '../src/tokens/signing-keys.service';
import { startService, TestService } from './support/app';

const PURPOSES: OpaquePurpose[] = ['refresh', 'email_verification', 'password_reset'];
/** Key tag, user, session, counter, HMAC. */
const REFRESH_BYTES = 4 + 16 + 16 + 4 + 32;

describe('opaque tokens', () => {
  let service: TestService;
  let opaque: OpaqueTokens;
  let refreshTokens: RefreshTokens;
  let signingKeys: SigningKeys;
  let ring: KeyRing;
  const ticket = { userId: newId(), sessionId: newId(), counter: 7 };

  beforeAll(async () => {
    // Rotated by hand alone.
    service = await startService({ JWT_KEY_ROTATION_DAYS: '0' });
    opaque = service.app.get(OpaqueTokens);
    refreshTokens = service.app.get(RefreshTokens);
    signingKeys = service.app.get(SigningKeys);
    ring = service.app.get(KeyRing);
  });
  afterAll(() => service.stop());

  const purpose = fc.constantFrom(...PURPOSES);
  const payload = fc.uint8Array({ maxLength: 64 });

  it('give back what was sealed, for their purpose and length alone', async () => {
    await fc.assert(
      fc.asyncProperty(purpose, payload, async (sealedFor, bytes) => {
        const token = opaque.seal(sealedFor, bytes);
        for (const asked of PURPOSES) {
          const opened = await opaque.open(asked, token, bytes.length);
          expect(opened).toEqual(asked === sealedFor ? Buffer.from(bytes) : null);
        }
        for (const length of [bytes.length - 1, bytes.length + 1]) {
          expect(await opaque.open(sealedFor, token, length)).toBeNull();
        }
      }),
    );
  });

  it('are the same for the same content, and different for any other', () => {
    fc.assert(
      fc.property(purpose, payload, purpose, payload, (onePurpose, one, otherPurpose, other) => {
        const token = opaque.seal(onePurpose, one);
        expect(opaque.seal(onePurpose, Uint8Array.from(one))).toBe(token);
        const isSame = onePurpose === otherPurpose && Buffer.from(one).equals(other);
        expect(opaque.seal(otherPurpose, other) === token).toBe(isSame);
      }),
    );
  });

  it('take no content for a part of the purpose', async () => {
    const token = opaque.seal('refresh', Buffer.from('x'));
    expect(await opaque.open('refresh', token, 1)).toEqual(Buffer.from('x'));
    for (const bytes of ['refresh\0x', '\0x', 'x\0']) {
      const other = opaque.seal('refresh', Buffer.from(bytes));
      expect(other.slice(-43)).not.toBe(token.slice(-43));
    }
  });

  it('name a text, the same one alike until keys rotate, and nobody else can', async () => {
    const name = (text: string) => opaque.pseudonym('unknown_address', text);
    const [one, other] = ['asha@example.com', 'rosa@example.com'].map(name);
    expect([name('asha@example.com'), one]).toEqual([one, expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(other).not.toBe(one);
    expect(createHash('sha256').update('asha@example.com').digest('hex')).not.toContain(one);
    // No token tells it: their MAC is of another purpose.
    for (const purpose of PURPOSES)
      expect(
        Buffer.from(opaque.seal(purpose, Buffer.from('asha@example.com')), 'base64url').toString('hex'),
      ).not.toContain(one);
  });

  describe('for refreshing', () => {
    it('hold user, session and counter, up to the largest', async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 32 - 1 }), async (counter) => {
          const made = { userId: newId(), sessionId: newId(), counter };
          expect(await refreshTokens.open(refreshTokens.seal(made))).toEqual(made);
        }),
      );
      expect(() => refreshTokens.seal({ ...ticket, counter: 2 ** 32 })).toThrow('out of range');
      expect(() => refreshTokens.seal({ ...ticket, counter: -1 })).toThrow('out of range');
    });

    it('have one successor, however often it is made', () => {
      const successor = { ...ticket, counter: ticket.counter + 1 };
      const made = new Set(Array.from({ length: 10 }, () => refreshTokens.seal(successor)));
      expect(made.size).toBe(1);
      expect(made).not.toContain(refreshTokens.seal(ticket));
    });

    it('are refused with any single bit of them turned', async () => {
      const token = refreshTokens.seal(ticket);
      const bytes = Buffer.from(token, 'base64url');
      expect(bytes).toHaveLength(REFRESH_BYTES);
      const turned = Array.from({ length: bytes.length * 8 }, (_, bit) => {
        const copy = Buffer.from(bytes);
        copy[bit >> 3]! ^= 1 << (bit & 7);
        return copy.toString('base64url');
      });
      const opened = await Promise.all(turned.map((forged) => refreshTokens.open(forged)));
      expect(opened.filter((result) => result !== null)).toEqual([]);
      expect(await refreshTokens.open(token)).toEqual(ticket);
    });

    it('are refused when cut or extended anywhere', async () => {
      const token = refreshTokens.seal(ticket);
      const bytes = Buffer.from(token, 'base64url');
      const cut = Array.from({ length: token.length }, (_, length) => token.slice(0, length));
      const longer = ['A', 'AA', 'AAAA', token].flatMap((more) => [token + more, more + token]);
      const withoutByte = Array.from(bytes, (_, index) =>
        Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + 1)]).toString('base64url'),
      );
      for (const forged of [...cut, ...longer, ...withoutByte]) {
        expect(await refreshTokens.open(forged)).toBeNull();
      }
    });

    it('are refused in every other spelling of the same bytes', async () => {
      // One whose base64 and base64url differ.
      const token = Array.from({ length: 200 }, (_, counter) =>
        refreshTokens.seal({ ...ticket, counter }),
      ).find((candidate) => candidate.includes('-') && candidate.includes('_'))!;
      const bytes = Buffer.from(token, 'base64url');
      const spellings = [
        bytes.toString('base64'),
        bytes.toString('hex'),
        token.replaceAll('-', '+'),
        token.replaceAll('_', '/'),
        `${token}=`,
        `${token}==`,
        ` ${token}`,
        `${token}\n`,
        `${token}\0`,
        `${token.slice(0, 20)} ${token.slice(20)}`,
        `${token.slice(0, 20)}.${token.slice(20)}`,
        `${token.slice(0, 20)}é${token.slice(20)}`,
        `"${token}"`,
      ];
      expect(await refreshTokens.open(token)).not.toBeNull();
      for (const spelling of spellings) expect(await refreshTokens.open(spelling)).toBeNull();
    });

    it('are refused in a spelling that differs in bits which no byte holds', async () => {
      // 53 bytes: the last character holds two bits that do not count.
      const token = opaque.seal('refresh', Buffer.alloc(17));
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const same = [...alphabet]
        .map((last) => token.slice(0, -1) + last)
        .filter((spelling) => Buffer.from(spelling, 'base64url').equals(Buffer.from(token, 'base64url')));
      expect(same).toHaveLength(4);
      const opened = await Promise.all(same.map((spelling) => opaque.open('refresh', spelling, 17)));
      expect(same.filter((_, index) => opened[index] !== null)).toEqual([token]);
    });

    it('are refused with the content of one and the HMAC of another', async () => {
      const [one, other] = [ticket, { ...ticket, counter: 8 }].map((made) =>
        Buffer.from(refreshTokens.seal(made), 'base64url'),
      );
      const mixed = Buffer.concat([one!.subarray(0, -32), other!.subarray(-32)]);
      expect(await refreshTokens.open(mixed.toString('base64url'))).toBeNull();
    });
  });

  it('of each mailed kind name nothing to another kind, nor to a refresh', async () => {
    const oneTime = service.app.get(OneTimeTokens);
    const id = newId();
    const kinds = ['email_verification', 'password_reset'] as const;
    for (const sealedFor of kinds) {
      const token = opaque.seal(sealedFor, idBytes(id));
      expect(await refreshTokens.open(token)).toBeNull();
      for (const asked of kinds) {
        expect(await oneTime.identify(asked, token)).toBe(asked === sealedFor ? id : null);
        expect(await oneTime.identify(asked, refreshTokens.seal(ticket))).toBeNull();
      }
    }
  });

  // Last: it moves the clock by the life of a key.
  it('of a key that was followed by another are good until its life ends', async () => {
    const token = refreshTokens.seal(ticket);
    const next = await signingKeys.rotate({ use: 'opaque' });
    await ring.load();
    expect(refreshTokens.seal(ticket)).toBe(token);

    service.advance(PUBLISH_AHEAD_MS);
    const fromNext = refreshTokens.seal(ticket);
    const tag = createHash('sha256').update(next.kid).digest().subarray(0, 4);
    expect(Buffer.from(fromNext, 'base64url').subarray(0, 4)).toEqual(tag);
    for (const good of [token, fromNext]) expect(await refreshTokens.open(good)).toEqual(ticket);

    service.advance(signingKeys.tokenLife('opaque') - 60_000);
    await ring.load();
    for (const good of [token, fromNext]) expect(await refreshTokens.open(good)).toEqual(ticket);

    service.advance(60_000);
    expect(await refreshTokens.open(token)).toBeNull();
    expect(await refreshTokens.open(fromNext)).toEqual(ticket);
  });
});
