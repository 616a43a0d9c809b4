import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { readMasterKeyLines, withMasterKey } from './master-key-lines';

const newKey = (): string => randomBytes(32).toString('hex');

describe('the lines of a key file', () => {
  it('are read whatever stands between them', () => {
    const noise = fc.array(fc.constantFrom('', '  ', '# a comment', '\t# 2:00', '#'), { maxLength: 3 });
    const versions = fc.uniqueArray(fc.integer({ min: 1, max: 999_999_999 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(versions, noise, fc.constantFrom('\n', '\r\n', ' \n'), (numbers, between, end) => {
        const keys = new Map(numbers.map((version) => [version, newKey()]));
        const lines = [...keys].flatMap(([version, key]) => [...between, `${version}:${key.toUpperCase()}`]);
        const read = readMasterKeyLines(`\ufeff${lines.join(end)}`);
        expect(read).toMatchObject({ current: Math.max(...numbers), staged: undefined });
        expect(new Map([...read.keys].map(([version, key]) => [version, key.toString('hex')]))).toEqual(keys);
      }),
    );
  });

  it('are refused without being shown, whatever they are', () => {
    const parts = fc.constantFrom(
      'next:',
      '1:',
      '2:',
      '0:',
      ':',
      'x',
      'ab'.repeat(32),
      'cd'.repeat(31),
      '#',
      ' ',
    );
    const texts = fc.oneof(
      fc.string(),
      fc
        .array(fc.array(parts, { maxLength: 4 }), { maxLength: 4 })
        .map((lines) => lines.map((l) => l.join('')).join('\n')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const { keys, current, staged } = readMasterKeyLines(text);
          expect(keys.has(current)).toBe(true);
          expect(staged === undefined || (keys.has(staged) && staged > current)).toBe(true);
          for (const key of keys.values()) expect(key).toHaveLength(32);
        } catch (error) {
          expect((error as Error).message).toMatch(
            /^(does not hold 32 bytes in hexadecimal|has version \d+ twice|stages (two versions|version \d+ below \d+))( \(line \d+\))?$/,
          );
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('get one more at their end, with or without a last line end, or in place of the staged one', () => {
    const [one, two, three] = [newKey(), newKey(), newKey()];
    for (const end of ['', '\n', '\n\n']) {
      expect(withMasterKey(`# mine\n${one}${end}`, `2:${two}`)).toBe(`# mine\n${one}\n2:${two}\n`);
    }
    const staged = `${one}\n next:2:${two}\n# the end\n`;
    expect(withMasterKey(staged, `2:${two}`)).toBe(`${one}\n2:${two}\n# the end\n`);
    expect(readMasterKeyLines(withMasterKey(staged, `2:${two}`))).toMatchObject({ current: 2 });
    expect(withMasterKey(withMasterKey(staged, `2:${two}`), `3:${three}`)).toMatch(
      /# the end\n3:[0-9a-f]+\n$/,
    );
  });
});
