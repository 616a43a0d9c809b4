import { isId } from '../../common/ids';
import { requestId } from './request-id';

const idFor = (given?: string): string =>
  requestId({ headers: given === undefined ? {} : { 'x-request-id': given } });

describe('The id of a request', () => {
  it.each(['a', '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', '1-67891233:a.b/c+d=e@f_g', 'x'.repeat(128)])(
    'is the one given: %s',
    (given) => expect(idFor(given)).toBe(given),
  );

  it.each([
    '',
    ' ',
    'a b',
    'a\r\nSet-Cookie: a=b',
    'a\n',
    'a\0',
    '"a"',
    '<script>',
    '{"a":1}',
    '\u001b[31m',
    'é',
    'a,b',
    'x'.repeat(129),
  ])('is a new one in place of %j', (given) => {
    const id = idFor(given);
    expect(id).not.toBe(given);
    expect(isId(id)).toBe(true);
  });

  it('is another one for every request without', () => {
    expect(isId(idFor())).toBe(true);
    expect(idFor()).not.toBe(idFor());
  });
});
