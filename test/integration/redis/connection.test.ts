import { Logger } from '@nestjs/common';
import type { DependencyState } from '../../../src/domain/observer.js';
import { silentObserver } from '../../../src/domain/observer.js';
import { RedisService, RedisUnavailableError } from '../../../src/redis/redis.service.js';
import { buildRedisSettings } from '../../../src/redis/redis-settings.js';
import { findFreePort } from '../../support/ports.js';
import type { TestRedis } from '../../support/redis.js';
import { describeWithOwnRedis, startOwnRedis } from '../../support/redis.js';

Logger.overrideLogger(false);

describeWithOwnRedis('the connection to a real Redis', () => {
  let port: number;
  let server: TestRedis;
  let redis: RedisService;
  const states: DependencyState[] = [];
  beforeEach(async () => {
    port = await findFreePort();
    server = await startOwnRedis(port);
    states.length = 0;
    redis = new RedisService(buildRedisSettings({ url: server.url }), {
      ...silentObserver,
      dependencyChanged: (_, state) => states.push(state),
    });
    await redis.onModuleInit();
    await until(() => redis.isAvailable);
  });
  afterEach(async () => {
    redis.onApplicationShutdown();
    await server.close();
  });

  it('gives up a command in time where Redis is frozen, fails at once from then on, and recovers by itself', async () => {
    server.freeze();
    await expect(redis.run((client) => client.get('x'))).rejects.toThrow(RedisUnavailableError);
    expect(redis.health).toEqual({ state: 'degraded', reason: 'no answer within 100 ms' });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 1_000 }, () => redis.run((client) => client.get('x'))),
    );
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    server.thaw();
    await until(() => redis.isAvailable);
    expect(await redis.run((client) => client.set('x', 'y'))).toBe('OK');
    expect(states).toEqual(['degraded', 'healthy', 'degraded', 'healthy']);
  });

  it('is made anew after a restart of Redis, and channels are heard again', async () => {
    const heard: string[] = [];
    let returns = 0;
    redis.subscribe(
      'news',
      (message) => heard.push(message),
      () => {
        returns += 1;
      },
    );
    await until(() => returns === 1);
    await server.close();
    await until(() => !redis.isAvailable);
    server = await startOwnRedis(port);
    await until(() => redis.isAvailable && returns === 2);
    await redis.run((client) => client.publish('news', 'after the restart'));
    await until(() => heard.length > 0);
    expect(heard).toEqual(['after the restart']);
  });

  it('is not blamed for what Redis answers to a wrong command', async () => {
    await redis.run((client) => client.lpush('list', 'x'));
    await expect(redis.run((client) => client.get('list'))).rejects.toThrow('WRONGTYPE');
    expect(redis.health.state).toBe('healthy');
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error('still not so after 15 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
