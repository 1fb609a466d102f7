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
      useFactory: (snapshots: SnapshotService) =>
        buildRedisSettings({
          ...snapshots.current.gateway.redis,
          password: () => snapshots.current.gateway.redis.password,
        }),
    },
    RedisService,
  ],
  exports: [RedisService],
})
export class RedisModule {}
