import { Nap } from './nap';

describe('a nap', () => {
  const duration = async (work: () => Promise<void>): Promise<number> => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };

  it('takes its time', async () => {
    expect(await duration(() => new Nap().sleep(60))).toBeGreaterThan(50);
  });

  it('ends when somebody wakes it', async () => {
    const nap = new Nap();
    setTimeout(() => nap.wake(), 20);
    expect(await duration(() => nap.sleep(5_000))).toBeLessThan(2_000);
  });

  it('does not begin when somebody came before it, and the next one does', async () => {
    const nap = new Nap();
    nap.wake();
    expect(await duration(() => nap.sleep(5_000))).toBeLessThan(2_000);
    expect(await duration(() => nap.sleep(60))).toBeGreaterThan(50);
  });
});
