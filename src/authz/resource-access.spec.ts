import { ResourceAccess } from './resource-access.service';

describe('access to objects', () => {
  it('is nobody’s to a kind that no feature answers for', async () => {
    const access = new ResourceAccess();
    for (const resource of ['ship:1', 'ship', '', ':', 'constructor:1', '__proto__:1'])
      expect(await access.reasonFor('u', resource, 'ship:sail')).toBeNull();
  });

  it('is as its feature says, which gets the id in lower case', async () => {
    const access = new ResourceAccess();
    const asked: unknown[] = [];
    access.register('ship', async (...question) => {
      asked.push(question);
      return question[1] === 'ab' ? 'ownership' : null;
    });
    expect(await access.reasonFor('u', 'ship:AB', 'ship:sail')).toBe('ownership');
    expect(await access.reasonFor('u', 'ship:cd', 'ship:sail')).toBeNull();
    expect(asked).toEqual([
      ['u', 'ab', 'ship:sail'],
      ['u', 'cd', 'ship:sail'],
    ]);
  });

  it('is answered by one feature for each kind', () => {
    const access = new ResourceAccess();
    access.register('ship', async () => null);
    expect(() => access.register('ship', async () => 'ownership')).toThrow('twice');
  });
});
