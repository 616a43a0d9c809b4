import { WrappedColumns } from './wrapped-columns';

const COLUMN = { table: 'keys', id: 'id', column: 'wrapped', context: (id: string) => `key:${id}` };

describe('WrappedColumns', () => {
  it('keeps what features register, in order', () => {
    const columns = new WrappedColumns();
    columns.register(COLUMN);
    columns.register({ ...COLUMN, column: 'other' });
    expect(columns.all().map(({ column }) => column)).toEqual(['wrapped', 'other']);
  });

  it('refuses the same column twice', () => {
    const columns = new WrappedColumns();
    columns.register(COLUMN);
    expect(() => columns.register({ ...COLUMN })).toThrow('keys.wrapped is registered twice');
  });

  it.each(['keys; DROP TABLE users', 'Keys', '"keys"', '', 'a.b', '1'])('refuses %j as a name', (name) => {
    for (const part of ['table', 'id', 'column']) {
      expect(() => new WrappedColumns().register({ ...COLUMN, [part]: name })).toThrow('is no name');
    }
  });
});
