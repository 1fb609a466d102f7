import { Global, Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { RedisService } from './redis.service.js';
import { buildRedisSettings, REDIS_SETTINGS } from './redis-settings.js';

/** Redis for every room that can do without it: global, disabled where the URL is empty. */
@Global()
@Module({
  providers: [
    {
      provide: REDIS_SETTINGS,
      inject: [SnapshotService],
      useFactory: ({ current }: SnapshotService) => buildRedisSettings({ url: current.gateway.redis.url }),
    },
    RedisService,
  ],
  exports: [RedisService],
})
export class RedisModule {}
