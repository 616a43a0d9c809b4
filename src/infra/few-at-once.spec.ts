import { setTimeout as sleep } from 'node:timers/promises';
import { fewAtOnce } from './few-at-once';

const limits = { atOnce: 3, milliseconds: 10_000, what: 'the work' };

describe('fewAtOnce', () => {
  it('does all, in order, with no more at the same time than told', async () => {
    let [running, most] = [0, 0];
    const results = await fewAtOnce([...'abcdefgh'], limits, async (letter) => {
      most = Math.max(most, ++running);
      // The later ones are the faster.
      await sleep(Math.max(0, 105 - letter.charCodeAt(0)));
      running--;
      return letter.toUpperCase();
    });
    expect([results.join(''), most]).toEqual(['ABCDEFGH', 3]);
  });

  it('has nothing to do for nobody', async () => {
    expect(await fewAtOnce([], limits, () => Promise.reject(new Error('called')))).toEqual([]);
  });

  it('begins nothing more after a failure, and throws it', async () => {
    const begun: number[] = [];
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      await Promise.resolve();
      if (item === 2) throw new Error('the second');
      await sleep(20);
    };
    await expect(fewAtOnce([1, 2, 3, 4, 5, 6], limits, work)).rejects.toThrow('the second');
    await sleep(50);
    expect(begun).toEqual([1, 2, 3]);
  });

  it('begins nothing more when the time is up, and throws', async () => {
    const begun: number[] = [];
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      await held;
    };
    const all = fewAtOnce([1, 2, 3, 4], { ...limits, milliseconds: 50 }, work);
    await expect(all).rejects.toThrow('the work took longer than 50 ms');
    answer();
    await sleep(10);
    expect(begun).toEqual([1, 2, 3]);
  });
});
