import { RedisService, RedisUnavailableError } from '../../../src/redis/redis.service.js';
import { buildRedisSettings } from '../../../src/redis/redis-settings.js';

describe('Redis where none is configured', () => {
  it('is disabled, opens nothing, and says so to whoever asks', async () => {
    const redis = new RedisService(buildRedisSettings({ url: '' }));
    await redis.onModuleInit();
    redis.subscribe(
      'channel',
      () => undefined,
      () => undefined,
    );
    expect(redis.isEnabled).toBe(false);
    expect(redis.isAvailable).toBe(false);
    expect(redis.health).toEqual({ state: 'disabled', reason: null });
    await expect(redis.run((client) => client.get('x'))).rejects.toThrow(RedisUnavailableError);
    redis.onApplicationShutdown();
  });
});
