import 'reflect-metadata';
import { validateSync } from 'class-validator';
import { IsText } from './is-text.decorator';
import { Maybe } from './maybe.decorator';

class Note {
  @IsText({ min: 2, max: 5 })
  title: unknown = 'fine';

  @Maybe()
  @IsText({ max: 3 })
  body: unknown;
}

/** What is wrong with a note that has these members. */
const complaints = (members: Partial<Note>): string[] =>
  validateSync(Object.assign(new Note(), members)).flatMap(({ constraints }) =>
    Object.values(constraints ?? {}),
  );

describe('IsText', () => {
  it.each(['ab', 'abcde', 'Āśā', '🌅', '  ', 'a\nb', '\u202eab'])('takes %j', (title) =>
    expect(complaints({ title })).toEqual([]),
  );

  it.each([
    [undefined, 'title is missing'],
    [null, 'title must be a string'],
    [12, 'title must be a string'],
    [['ab'], 'title must be a string'],
    [new String('ab'), 'title must be a string'],
    ['a', 'title must have 2 to 5 characters'],
    ['abcdef', 'title must have 2 to 5 characters'],
    ['ab\0', 'title must be well-formed text without NUL'],
    ['ab\ud800', 'title must be well-formed text without NUL'],
    ['\udf05\ud83c', 'title must be well-formed text without NUL'],
  ])('refuses %j: %s', (title, complaint) => expect(complaints({ title })).toEqual([complaint]));

  it('takes the empty text where there is no minimum', () => {
    expect(complaints({ body: '' })).toEqual([]);
    expect(complaints({ body: 'abcd' })).toEqual(['body must have at most 3 characters']);
  });
});

describe('Maybe', () => {
  it('lets a member be left out, and checks every value, null too', () => {
    expect(complaints({ body: undefined })).toEqual([]);
    expect(complaints({ body: null })).toEqual(['body must be a string']);
  });
});
