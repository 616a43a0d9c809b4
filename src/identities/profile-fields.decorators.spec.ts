import 'reflect-metadata';
import { validateSync } from 'class-validator';
import { IsHttpsUrl, IsIanaTimezone, IsLocaleTag, IsName, IsPhone } from './profile-fields.decorators';

class Profile {
  @IsName()
  name: unknown = 'Asha Rao';

  @IsPhone()
  phone: unknown = '+919876543210';

  @IsIanaTimezone()
  timezone: unknown = 'Asia/Kolkata';

  @IsLocaleTag()
  locale: unknown = 'en-IN';

  @IsHttpsUrl()
  avatar: unknown = 'https://cdn.example.com/a.png';
}

/** The members at fault in a profile that has this value instead of a good one. */
const faults = (field: keyof Profile, value: unknown): string[] =>
  validateSync(Object.assign(new Profile(), { [field]: value })).map(({ property }) => property);

// What one text of a request could be, and none of the fields is.
const NEVER: unknown[] = ['', '\0', '\ud800', '\n', null, undefined, 7, true, {}, []];

const TAKEN: Record<keyof Profile, string[]> = {
  name: ['Ā', "D'Arcy-O’Neill Jr.", '陳大文', 'عائشة', 'Asha 🌅', 'अ'.repeat(255), ' Asha '],
  phone: ['+12', '+14155550123', '+123456789012345'],
  timezone: ['UTC', 'Etc/GMT+5', 'America/Argentina/Buenos_Aires', 'asia/kolkata'],
  locale: ['de', 'en-US', 'zh-Hant-TW', 'sr-Latn-RS', 'es-419', 'en-u-ca-buddhist'],
  avatar: [
    'https://example.com',
    'https://cdn.example.com:8443/a.png?size=64#top',
    'https://cdn.example.com/a@b.png',
    'https://bücher.example/ü.png',
    'https://203.0.113.7/a.png',
    'HTTPS://CDN.EXAMPLE.COM/A.PNG',
  ],
};

const REFUSED: Record<keyof Profile, unknown[]> = {
  name: [
    ' \t',
    '\u00a0',
    'अ'.repeat(256),
    'Asha\0Rao',
    'Asha\ud83c',
    'Asha\r\nBcc: all@example.org',
    'Asha\u2028Rao',
    'Asha\u2029Rao',
    'Asha\u200bRao',
    'Asha\u202eoaR',
    'Asha\u001b[31m',
    ['Asha'],
  ],
  phone: [
    '+1',
    '+0123456789',
    '+1234567890123456',
    '919876543210',
    '00919876543210',
    '+91 98765 43210',
    '+91-98765',
    '+९१९८७६५',
    '+919876543210\n',
    'tel:+919876543210',
    ['+919876543210'],
  ],
  timezone: [
    'Mars/Olympus',
    '+05:30',
    'UTC+5',
    ' UTC',
    'UTC\n',
    'Asia/Kolkata\0',
    '../../etc/passwd',
    'A'.repeat(65),
    ['UTC'],
  ],
  locale: [
    'en_US',
    'en-',
    'english please',
    'en-US\n',
    'en\0',
    '*',
    'de,en',
    `en-${'abcde-'.repeat(6)}`,
    ['en-US'],
  ],
  avatar: [
    'http://cdn.example.com/a.png',
    '//cdn.example.com/a.png',
    'cdn.example.com/a.png',
    'ftp://cdn.example.com/a.png',
    'javascript:alert(1)',
    'data:image/png;base64,AAAA',
    'https://',
    'https://cdn',
    'https://asha:secret@cdn.example.com/a.png',
    'https://asha@cdn.example.com/a.png',
    'https://:@cdn.example.com/a.png',
    'https://cdn.example.com/a b.png',
    'https://cdn.example.com/a\r\nSet-Cookie: a=b',
    ' https://cdn.example.com/a.png',
    'https://cdn.example.com/a\0.png',
    'https://cdn.example.com/\ud800',
    'https://cdn.example.com/"><script>',
    `https://cdn.example.com/${'a'.repeat(2048 - 23)}`,
    ['https://cdn.example.com/a.png'],
  ],
};

describe.each(Object.keys(TAKEN) as (keyof Profile)[])('The field %s', (field) => {
  it.each(TAKEN[field])('takes %j', (value) => expect(faults(field, value)).toEqual([]));

  it.each([...NEVER, ...REFUSED[field]].map((value) => [value]))('refuses %j', (value) =>
    expect(faults(field, value)).toEqual([field]),
  );
});

describe('An avatar', () => {
  it('may have letters beyond ASCII, however many URLs were seen before', () => {
    for (let i = 0; i < 20_000; i++) faults('avatar', `https://example.com/${i}`);
    expect(faults('avatar', 'https://bücher.example/ü.png')).toEqual([]);
  });

  it('has at most 2,048 characters', () => {
    expect(faults('avatar', `https://cdn.example.com/${'a'.repeat(2048 - 24)}`)).toEqual([]);
  });
});
