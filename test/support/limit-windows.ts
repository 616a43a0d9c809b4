import { eventually, TestService } from './app';

/** Lets the windows of all rate limits pass: Redis counts them in real time, which no clock of ours moves. */
export async function passLimitWindows(service: TestService): Promise<void> {
  for (const key of await service.redis.keys('limit:*')) await service.redis.pexpire(key, 1);
  await eventually(async () => (await service.redis.keys('limit:*')).length === 0, 'the end of all windows');
}
