import { Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { KEY_STORE } from '../domain/observer.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { AUTH_SETTINGS, loadAuthSettings } from './auth-settings.js';
import { KeyCacheInterceptor } from './key-cache.interceptor.js';
import { KeyChangesService } from './key-changes.service.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { RedisKeyCache } from './redis-key.cache.js';
import { TieredKeyStore } from './tiered-key.store.js';

/** Who calls. Needs `DatabaseModule` and `RedisModule`, which are global. */
@Module({
  providers: [
    {
      provide: AUTH_SETTINGS,
      inject: [SnapshotService],
      useFactory: ({ current }: SnapshotService) => loadAuthSettings(current.gateway),
    },
    RedisKeyCache,
    TieredKeyStore,
    { provide: KEY_STORE, useExisting: TieredKeyStore },
    KeyChangesService,
    LastUsedRecorder,
    ApiKeyGuard,
    KeyCacheInterceptor,
  ],
  exports: [
    AUTH_SETTINGS,
    KEY_STORE,
    TieredKeyStore,
    RedisKeyCache,
    LastUsedRecorder,
    ApiKeyGuard,
    KeyCacheInterceptor,
  ],
})
export class AuthModule {}
