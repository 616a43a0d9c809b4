import { AppError, definedErrors, defineError } from './app-error';

describe('defineError', () => {
  const outOfTea = defineError('out_of_tea', 'conflict', 'There is no tea left.');

  it('makes errors of its code, kind and message', () => {
    const error = outOfTea();
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'out_of_tea', kind: 'conflict', message: 'There is no tea left.' });
    expect(error).toMatchObject({ fields: undefined, retryAfter: undefined, extra: undefined });
    expect(error.cause).toBeUndefined();
  });

  it('gives one error the details of its case, and the next one none of them', () => {
    const cause = new Error('kettle: ECONNREFUSED');
    const details = {
      cause,
      message: 'The green tea is gone.',
      fields: [{ field: 'tea', message: 'tea must be black' }],
      retryAfter: 60,
      extra: { teas: ['black'] },
    };
    expect(outOfTea(details)).toMatchObject(details);
    expect(outOfTea(details).message).not.toContain(cause.message);
    expect(outOfTea().message).toBe('There is no tea left.');
  });

  it('refuses a second declaration of a code, and keeps the first', () => {
    expect(() => defineError('out_of_tea', 'internal', 'Other.')).toThrow('out_of_tea is declared twice');
    expect(definedErrors().filter(({ code }) => code === 'out_of_tea')).toEqual([outOfTea]);
  });

  it('lists what was declared by code', () => {
    defineError('a_first_error', 'internal', 'First.');
    expect(definedErrors().map(({ code }) => code)).toEqual(['a_first_error', 'out_of_tea']);
  });
});
