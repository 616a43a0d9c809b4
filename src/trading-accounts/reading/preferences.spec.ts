import fc from 'fast-check';
import { mergePreferences, preferencesProblem, sizeProblem } from './preferences';

const KEY = fc.stringMatching(/^[A-Za-z][\w.:-]{0,10}$/);
const { tree } = fc.letrec((tie) => ({
  tree: fc.dictionary(KEY, fc.oneof({ depthSize: 'small' }, fc.jsonValue({ maxDepth: 0 }), tie('tree')), {
    maxKeys: 4,
  }),
}));
const trees = tree;

describe('mergePreferences', () => {
  // The examples of RFC 7396, appendix A, that are about objects.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ a: 'foo' }, { a: { b: null } }, { a: {} }],
  ])('makes of %j with %j what the RFC says', (before, patch, after) => {
    expect(mergePreferences(before, patch)).toEqual(after);
  });

  it('changes neither of the two, and gives the same when it is done twice', () => {
    fc.assert(
      fc.property(trees, trees, (before, patch) => {
        const texts = [JSON.stringify(before), JSON.stringify(patch)];
        const once = mergePreferences(before, patch);
        expect([JSON.stringify(before), JSON.stringify(patch)]).toEqual(texts);
        expect(mergePreferences(once, patch)).toEqual(once);
        for (const [key, value] of Object.entries(patch)) expect(key in once).toBe(value !== null);
      }),
    );
  });

  it('touches no prototype, whatever a key is called', () => {
    const patch = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    );
    const merged = mergePreferences({}, patch);
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('preferencesProblem', () => {
  it.each([
    {},
    { a: null },
    { 'chart.theme': 'dark', n: 1.5 },
    { a: { b: ['c'] } },
    { ['k'.repeat(64)]: true },
  ])('takes %j', (value) => {
    expect(preferencesProblem(value)).toBeUndefined();
  });

  it.each([
    [null, /an object/],
    [[], /an object/],
    ['text', /an object/],
    [undefined, /an object/],
    [{ a: { b: { c: {} } } }, /deeper than 3/],
    [{ a: [[[]]] }, /deeper than 3/],
    [{ '': 1 }, /keys/],
    [{ ['k'.repeat(65)]: 1 }, /keys/],
    [{ a: { _b: 1 } }, /keys/],
    [{ 'a b': 1 }, /keys/],
    [{ 'a\u0000': 1 }, /keys/],
    [{ clé: 1 }, /keys/],
    [JSON.parse('{"__proto__": 1}'), /keys/],
    [JSON.parse('{"a": [{"__proto__": 1}]}'), /keys/],
    [{ a: 'x\0y' }, /without NUL/],
    [{ a: ['\ud800'] }, /well-formed/],
    [JSON.parse('{"a": 1e999}'), /finite/],
  ])('refuses %j', (value, message) => {
    expect(preferencesProblem(value)).toMatch(message);
  });
});

describe('any JSON', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? 1 + Math.max(0, ...Object.values(value).map((member) => depthOf(member)))
      : 0;

  it('is refused, or is as deep as allowed and what PostgreSQL can keep', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'small', stringUnit: 'binary' }), (value) => {
        if (preferencesProblem(value) !== undefined) return;
        expect(depthOf(value)).toBeLessThanOrEqual(3);
        expect(JSON.stringify(value)).not.toMatch(/\\u0000|\\ud[89a-f]/i);
      }),
      { numRuns: 500 },
    );
  });

  it('that is allowed stays so, however often it is merged into other that is', () => {
    fc.assert(
      fc.property(trees, trees, (before, patch) => {
        fc.pre(preferencesProblem(before) === undefined && preferencesProblem(patch) === undefined);
        expect(preferencesProblem(mergePreferences(before, patch))).toBeUndefined();
      }),
    );
  });
});

describe('sizeProblem', () => {
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));

  it('allows twenty keys, and 4,096 bytes', () => {
    expect(sizeProblem(keys(20))).toBeUndefined();
    expect(sizeProblem({ a: 'x'.repeat(4_096 - 8) })).toBeUndefined();
  });

  it('refuses more', () => {
    expect(sizeProblem(keys(21))).toMatch(/20 keys/);
    expect(sizeProblem({ a: 'x'.repeat(4_096 - 7) })).toMatch(/4096 bytes/);
    expect(sizeProblem({ a: 'é'.repeat(2_045) })).toMatch(/4096 bytes/);
  });
});
