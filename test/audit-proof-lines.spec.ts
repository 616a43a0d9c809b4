import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AuditWorld, dayFromToday, verdict } from './support/audit-world';

const FORGED = '{"event_type":"forged"}';

describe('a line of an export', () => {
  let world: AuditWorld;
  let lines: string[];

  /** Verifies the export after somebody has been at the text of the first line that begins so. */
  const after = async (begin: string, from: string, to: string): Promise<string> => {
    const index = lines.findIndex((line) => line.startsWith(begin));
    const changed = lines[index]!.replace(from, () => to);
    expect(changed).not.toBe(lines[index]);
    return verify([...lines.with(index, changed), ''].join('\n'));
  };
  const verify = async (text: string): Promise<string> => {
    const file = join(world.folder, 'changed');
    await writeFile(file, text);
    return verdict(await (await world.copy()).verifyFile(file));
  };
  const LINK = '{"link":{"position":4,';

  beforeAll(async () => {
    world = await AuditWorld.create({ [-2]: 2, [-1]: 3, 0: 1 });
    lines = (await readFile(await (await world.copy()).export(), 'utf8')).trim().split('\n');
  }, 60_000);
  afterAll(() => world.remove());

  it.each([
    ['an event', `{"event":${FORGED},"link"`],
    ['a note', '{"note":"forged","link"'],
    ['a seal', `{"seal":{"day":"${dayFromToday(-1)}"},"link"`],
    ['an end', '{"end":{"unlinked":0,"head":null},"link"'],
    ['another link', `{"link":${FORGED},"link"`],
    ['a prototype', `{"__proto__":${FORGED},"link"`],
  ])('has nothing beside its link: %s', async (_, text) => {
    expect(await after(LINK, '{"link"', text)).toBe('changed@4');
  });

  it.each([
    ['its data', '"data":{', `"data":{"__proto__":${FORGED},`],
    ['its data, written otherwise', '"data":{', `"data":{"\\u005f_proto__":${FORGED},`],
    ['a member of its data', '"b":1.5', `"b":{"__proto__":${FORGED}}`],
    ['an array of it', '"b":1.5', `"b":[{"__proto__":${FORGED}}]`],
    ['its metadata', '"metadata":{', `"metadata":{"__proto__":${FORGED},`],
    ['its digests', '"personal_digests":{', `"personal_digests":{"__proto__":${FORGED},`],
  ])('has no prototype in %s', async (_, from, to) => {
    expect(await after(LINK, from, to)).toBe('changed@4');
  });

  it.each([
    ['twice data', '"data":{', `"data":${FORGED},"data":{`],
    ['twice a member of data', '"b":1.5', '"b":99,"b":1.5'],
    ['twice a member of data, written otherwise', '"b":1.5', '"\\u0062":99,"b":1.5'],
    ['twice its event', '"event":{', '"event":null,"event":{'],
    ['twice its position', '"position":4,', '"position":5,"position":4,'],
    ['a number written otherwise', '"b":1.5', '"b":1.50'],
    ['a text written otherwise', '"actor":"u', '"actor":"\\u0075'],
    ['space', '"b":1.5', '"b": 1.5'],
    ['the end of a line that only a terminal knows', ',"event":', ',\r"event":'],
  ])('is as an export writes it, without %s', async (_, from, to) => {
    expect(await after(LINK, from, to)).toBe('changed@4');
  });

  it.each([
    ['the header', '{"format"', '{"format"', '{"note":"forged","format"'],
    ['the header', '{"format"', '"issuer"', '"issuer":"forged","issuer"'],
    ['the header', '{"format"', '"start":{', '"start":{"note":"forged",'],
    ['a key', '{"key"', '{"key"', '{"note":"forged","key"'],
    ['a key', '{"key"', '{"key":{', '{"key":{"__proto__":{},'],
    ['a key', '{"key"', '{"key":{', '{"key":{"note":"forged",'],
    ['a seal', '{"seal"', '{"seal"', `{"event":${FORGED},"seal"`],
    ['a seal', '{"seal"', '{"seal":{', '{"seal":{"note":"forged",'],
    ['a seal', '{"seal"', '{"seal":{', '{"seal":{"day":"2026-01-01",'],
  ])('is not believed in front of the links either: %s, %s %s %s', async (_, begin, from, to) => {
    expect(await after(begin, from, to)).toBe('changed@none');
  });

  it.each([
    ['no modulus', /"n":"[^"]+",?/, ''],
    ['an empty modulus', /"n":"[^"]+"/, '"n":""'],
  ])('is told of where it is a key that cannot be read, and hides nothing else: %s', async (_, from, to) => {
    const index = lines.findIndex((line) => line.startsWith('{"key"'));
    const key = lines[index]!.replace(from, to).replace(',}', '}');
    expect(key).not.toBe(lines[index]);
    const added = lines.toSpliced(index, 0, key);
    expect(await verify([...added, ''].join('\n'))).toBe('changed@none');
    expect(await verify([...added, ''].join('\n').replace('"b":1.5', '"b":2'))).toBe('changed@1');
    expect(await verify([...lines.with(index, key), ''].join('\n'))).toMatch(/^seal@/);
  });

  it.each([
    ['beside it', '{"end"', `{"event":${FORGED},"end"`],
    ['in it', '{"end":{', `{"end":{"note":"forged",`],
    ['in its head', '"head":{', `"head":{"note":"forged",`],
    ['of it, twice', '"unlinked":', `"unlinked":5,"unlinked":`],
  ])('is not believed with more in the end than an end: %s', async (_, from, to) => {
    expect(await after('{"end"', from, to)).toMatch(/^changed@6$/);
  });

  it('is not hidden behind the one before by what is no end of a line', async () => {
    const index = lines.findIndex((line) => line.startsWith(LINK));
    expect(await verify(lines.join('\n').replace(`\n${lines[index]}`, `\r${lines[index]}`))).toBe(
      'changed@2',
    );
  });

  it('is not nested deeper than anything that was ever written', async () => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    expect(await after(LINK, '"b":1.5', `"b":${deep}`)).toBe('changed@3');
  });

  it('may end as on Windows', async () => {
    expect(await verify(`${lines.join('\r\n')}\r\n`)).toBe('as it was');
  });

  it('may say whatever an event can', async () => {
    const copy = await world.copy();
    const data = {
      b: 1.5,
      10: 'as an index',
      2: [1e21, 1e-7, 5e-324, 0.1, -1, 123456789012345680000],
      '': { proto: 'x', __proto: 1, constructor: {}, toJSON: 'x' },
      text: 'a\u2028b\u2029c\u0085d"\\/\r\n\t\u007f é 😀 "__proto__": \ufffd',
      'a "key"': null,
      'a"__proto__': 1,
      'b\\"__proto__': 2,
      'c\\\\"__proto__': { 'd"__proto__': 3 },
    };
    await copy.attack(
      `UPDATE events SET data = '${JSON.stringify(data)}' WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 6)`,
      // Numbers that are not written in JavaScript as they are in PostgreSQL.
      `UPDATE events SET data = data || '{"c": -0, "d": 1.10, "e": 12345678901234567890.5}'
       WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 6)`,
    );
    await copy.relink(6);
    const file = await copy.export();
    expect(verdict(await copy.verify())).toBe('as it was');
    expect(verdict(await copy.verifyFile(file))).toBe('as it was');
  });
});
