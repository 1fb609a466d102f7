import { Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { INSTALLATION_SECRET } from '../domain/installation-secret.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { AUTH_SETTINGS, type AuthSettings, loadAuthSettings } from './auth-settings.js';
import { KeyCacheInterceptor } from './key-cache.interceptor.js';
import { KeyChangesService } from './key-changes.service.js';
import { KeyFinder } from './key-finder.js';
import { KeyThrottle } from './key-throttle.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { OpenRequests } from './open-requests.js';
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
    { provide: INSTALLATION_SECRET, inject: [AUTH_SETTINGS], useFactory: ({ pepper }: AuthSettings) => pepper },
    RedisKeyCache,
    TieredKeyStore,
    OpenRequests,
    KeyChangesService,
    LastUsedRecorder,
    KeyFinder,
    KeyThrottle,
    ApiKeyGuard,
    KeyCacheInterceptor,
  ],
  exports: [
    AUTH_SETTINGS,
    INSTALLATION_SECRET,
    TieredKeyStore,
    RedisKeyCache,
    LastUsedRecorder,
    OpenRequests,
    ApiKeyGuard,
    KeyCacheInterceptor,
  ],
})
export class AuthModule {}
