import { idBytes, idFromBytes, isId, newId } from './ids';

describe('newId', () => {
  it('counts up, within a millisecond too, so that ids sort by age as text and as bytes', () => {
    const ids = Array.from({ length: 2000 }, newId);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(ids);
    expect(
      ids
        .map(idBytes)
        .sort((a, b) => a.compare(b))
        .map(idFromBytes),
    ).toEqual(ids);
  });

  it('is a UUIDv7 that begins with the milliseconds since 1970', () => {
    const before = Date.now();
    const id = newId();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const at = idBytes(id).readUIntBE(0, 6);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now() + 1);
  });
});

describe('The bytes of an id', () => {
  it('are sixteen, and give the id back in lower case', () => {
    const bytes = idBytes('0192F0A4-5C1E-7CC2-B4D5-7F3D7F1E9F10');
    expect(bytes.toString('hex')).toBe('0192f0a45c1e7cc2b4d57f3d7f1e9f10');
    expect(idFromBytes(bytes)).toBe('0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10');
  });

  it('are refused where they are no id', () => {
    expect(() => idBytes('me')).toThrow(TypeError);
    expect(() => idFromBytes(Buffer.alloc(15))).toThrow();
    expect(() => idFromBytes(Buffer.from('f'.repeat(16)))).toThrow(TypeError);
  });
});

describe('isId', () => {
  it.each([newId(), '0192F0A4-5C1E-7CC2-B4D5-7F3D7F1E9F10', 'f47ac10b-58cc-4372-a567-0e02b2c3d479'])(
    'knows %s',
    (text) => expect(isId(text)).toBe(true),
  );

  it.each([
    '',
    'me',
    '0192f0a45c1e7cc2b4d57f3d7f1e9f10',
    '{0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10}',
    ' 0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
    '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10\n',
    '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f1g',
    '0192f0a4-5c1e-7cc2-74d5-7f3d7f1e9f10',
    null,
    undefined,
    7,
    ['0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10'],
  ])('refuses %j', (value) => expect(isId(value)).toBe(false));
});
