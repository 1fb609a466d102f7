import { Logger } from '@nestjs/common';
import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings } from '../../../src/redis/redis-settings.js';
import { findFreePort } from '../../support/ports.js';
import { describeWithOwnRedis, startOwnRedis, type TestRedis } from '../../support/redis.js';

Logger.overrideLogger(false);

describeWithOwnRedis('how long Redis is waited for', () => {
  let server: TestRedis;
  let redis: RedisService;
  beforeAll(async () => {
    server = await startOwnRedis(await findFreePort());
    redis = new RedisService(buildRedisSettings({ url: server.url, commandTimeoutMs: 100 }));
    await redis.onModuleInit();
  });
  afterAll(async () => {
    redis.onApplicationShutdown();
    await server.close();
  });

  /** As a process is that has many requests to deal with. */
  function beBusy(durationMs: number): void {
    const endsAtMs = performance.now() + durationMs;
    while (performance.now() < endsAtMs);
  }

  it('does not count the time in which this process was busy with something else', async () => {
    for (let round = 0; round < 3; round += 1) {
      const answer = redis.run((client) => client.ping());
      beBusy(400);
      expect(await answer).toBe('PONG');
    }
    expect(redis.isAvailable).toBe(true);
  });

  it('ends where Redis does not answer, which is then passed by until it does', async () => {
    server.freeze();
    try {
      await expect(redis.run((client) => client.ping())).rejects.toThrow('no answer within 100 ms');
      expect(redis.isAvailable).toBe(false);
    } finally {
      server.thaw();
    }
    while (!redis.isAvailable) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await redis.run((client) => client.ping())).toBe('PONG');
  });
});
