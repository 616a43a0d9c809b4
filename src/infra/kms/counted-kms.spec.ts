import { metricsRegistry } from '../metrics/metrics-registry';
import { CountedKms } from './counted-kms';
import { IntegrityError } from './integrity-error';
import { Kms } from './kms';

describe('CountedKms', () => {
  const inner = (more: Partial<Kms> & { onApplicationShutdown?: () => void } = {}): Kms => ({
    provider: 'test',
    wrap: async (secret) => Buffer.from(secret),
    unwrap: async (wrapped) => Buffer.from(wrapped),
    currentVersion: async () => '1',
    rotate: async () => '2',
    ...more,
  });
  const counts = async (): Promise<Record<string, number>> => {
    const metric = await metricsRegistry.getSingleMetric('user_service_kms_operations_total')!.get();
    return Object.fromEntries(
      metric.values.map(({ labels, value }) => [`${labels.operation} ${labels.result}`, value]),
    );
  };

  it('counts what was done, refused and failed, and passes all of it on', async () => {
    const before = await counts();
    expect(Object.keys(before)).toHaveLength(6);
    const kms = new CountedKms(inner());
    expect(await kms.wrap(Buffer.from('a'), 'x')).toEqual(Buffer.from('a'));
    expect(await kms.unwrap(Buffer.from('b'), 'x')).toEqual(Buffer.from('b'));
    expect([kms.provider, await kms.currentVersion(), await kms.rotate()]).toEqual(['test', '1', '2']);
    const damaged = new CountedKms(inner({ unwrap: () => Promise.reject(new IntegrityError('it')) }));
    await expect(damaged.unwrap(Buffer.from('b'), 'x')).rejects.toThrow(IntegrityError);
    const away = new CountedKms(inner({ wrap: () => Promise.reject(new Error('away')) }));
    await expect(away.wrap(Buffer.from('b'), 'x')).rejects.toThrow('away');
    expect(await counts()).toEqual({
      ...before,
      'wrap success': before['wrap success']! + 1,
      'unwrap success': before['unwrap success']! + 1,
      'unwrap refused': before['unwrap refused']! + 1,
      'wrap failed': before['wrap failed']! + 1,
    });
  });

  it('stages where the provider does, and ends what it has begun', async () => {
    expect(new CountedKms(inner()).stage).toBeUndefined();
    expect(await new CountedKms(inner({ stage: async () => '9' })).stage?.()).toBe('9');
    let ended = 0;
    await new CountedKms(inner({ onApplicationShutdown: () => void ended++ })).onApplicationShutdown();
    await new CountedKms(inner()).onApplicationShutdown();
    expect(ended).toBe(1);
  });
});
