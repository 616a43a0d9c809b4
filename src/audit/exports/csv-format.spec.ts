import fc from 'fast-check';
import type { AuditEventItem } from '../reading/audit-event.dto';
import { csvFormat } from './csv-format';

const EVENT: AuditEventItem = {
  event_id: '0192f0b1-33c5-7b6e-a1d0-52c9b8a7e611',
  event_type: 'user.login',
  timestamp: '2026-11-22T09:30:00.000Z',
  subject: 'user:1',
  actor: 'user:1',
  resource: null,
  data: {},
  metadata: {},
  priority: 'normal',
};
const FORMULAS = [
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=1',
  '\r=1',
  '\n=1',
  '＝1',
  '＋1',
  '－1',
  '＠1',
  ' =1',
  '\ufeff=1',
  '\u200b@1',
  '\0=1',
];
/** What programs pass over before they look for a formula. */
const BLANK = /^[\s\ufeff\u200b-\u200f\u2060\0]*/;

/** Cells of a file, as a program splits it that keeps RFC 4180, but for the character between cells. */
function cellsOf(text: string, separator: string): string[] {
  const cells: string[] = [];
  let cell = '';
  let isQuoted = false;
  let isFresh = true;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    const isEnd = !isQuoted && [separator, '\r', '\n'].includes(character);
    if (isEnd) {
      cells.push(cell);
      cell = '';
    } else if (isQuoted && character === '"' && text[i + 1] === '"') cell += text[i++];
    else if (character === '"' && (isQuoted || isFresh)) isQuoted = !isQuoted;
    else cell += character;
    isFresh = isEnd;
  }
  return [...cells, cell];
}

/** Cells that a program could take for a formula. */
const formulasIn = (text: string, separator: string): string[] =>
  cellsOf(text, separator).filter((cell) =>
    /^[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]/.test(cell.replace(BLANK, '')),
  );

describe('csvFormat', () => {
  it('is a line of names and lines that end as RFC 4180 says', () => {
    expect(csvFormat.head({} as never)).toBe(
      'event_id,event_type,timestamp,priority,subject,actor,resource,data,metadata\r\n',
    );
    expect(csvFormat.event(EVENT, 0)).toMatch(/,user:1,user:1,,\{\},\{\}\r\n$/);
    expect(csvFormat.tail).toBe('');
  });

  it.each(FORMULAS)('has no formula for %j, whichever member holds it', (formula) => {
    for (const name of ['event_type', 'subject', 'actor', 'resource', 'priority'] as const) {
      const text = csvFormat.event({ ...EVENT, [name]: formula }, 0);
      expect(formulasIn(text, ',')).toEqual([]);
      expect(cellsOf(text, ',')).toContain(`'${formula}`);
    }
    for (const name of ['data', 'metadata'] as const) {
      const text = csvFormat.event({ ...EVENT, [name]: { user_agent: formula, [formula]: formula } }, 0);
      expect(formulasIn(text, ',')).toEqual([]);
    }
  });

  it('leaves alone what is no formula', () => {
    for (const text of ["it's", 'a=1', 'user:-1', '‘=', '1-1', "'"])
      expect(cellsOf(csvFormat.event({ ...EVENT, resource: text }, 0), ',')[6]).toBe(text);
  });

  const char = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...'=+-@;|,"\'\t\r\n ＝＋－＠{}\\', '\ufeff', '\u200b', '\0') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
  );
  const hostile = fc.array(char, { maxLength: 12 }).map((some) => some.join(''));

  it('keeps every value, and never begins a cell like a formula', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (resource, name, value) => {
        const item = { ...EVENT, resource, data: { [`x${name}`]: value }, metadata: { user_agent: value } };
        const cells = cellsOf(csvFormat.event(item, 0), ',');
        expect(cells).toHaveLength(11);
        const [id, , , , , , shown, data, metadata] = cells;
        expect(id).toBe(EVENT.event_id);
        expect([resource, `'${resource}`]).toContain(shown);
        expect(JSON.parse(data!)).toEqual(item.data);
        expect(JSON.parse(metadata!)).toEqual(item.metadata);
        expect(data! + metadata!).toMatch(/^[\x20-\x7e]*$/);
        expect(formulasIn(csvFormat.event(item, 0), ',')).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('hides no formula for a program that splits at another character', () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom(';', '\t', '|'), (value, separator) => {
        const text = csvFormat.event(
          { ...EVENT, data: { a: value, [value]: 1 }, metadata: { user_agent: value } },
          0,
        );
        expect(formulasIn(text, separator)).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});
