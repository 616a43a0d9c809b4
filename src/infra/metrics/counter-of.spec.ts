import { counterOf } from './counter-of';
import { metricsRegistry } from './metrics-registry';

const seriesOf = async (name: string): Promise<unknown[]> => {
  const { values } = await metricsRegistry.getSingleMetric(name)!.get();
  return values.map(({ labels, value }) => ({ ...labels, value }));
};

describe('a counter of known labels', () => {
  it('has every combination of values at zero from the start, and no other series', async () => {
    const counter = counterOf('test_tries_total', 'Tries', { method: ['a', 'b'], result: ['good', 'bad'] });
    expect(await seriesOf('test_tries_total')).toEqual([
      { method: 'a', result: 'good', value: 0 },
      { method: 'a', result: 'bad', value: 0 },
      { method: 'b', result: 'good', value: 0 },
      { method: 'b', result: 'bad', value: 0 },
    ]);
    counter.inc({ method: 'b', result: 'bad' });
    expect(await seriesOf('test_tries_total')).toContainEqual({ method: 'b', result: 'bad', value: 1 });
    expect(await seriesOf('test_tries_total')).toHaveLength(4);
  });

  it('without labels is one series, at zero', async () => {
    counterOf('test_things_total', 'Things', {});
    expect(await seriesOf('test_things_total')).toEqual([{ value: 0 }]);
  });

  it('refuses a name that is taken', () => {
    counterOf('test_taken_total', 'Taken', {});
    expect(() => counterOf('test_taken_total', 'Taken again', {})).toThrow('already been registered');
  });
});
