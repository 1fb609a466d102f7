import { Global, Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { ApiKeyRepository } from './api-key.repository.js';
import { DatabaseService } from './database.service.js';
import { buildDatabaseSettings, DATABASE_SETTINGS } from './database-settings.js';

/** PostgreSQL for every room: global, one connection pool a process. */
@Global()
@Module({
  providers: [
    {
      provide: DATABASE_SETTINGS,
      inject: [SnapshotService],
      useFactory: (snapshots: SnapshotService) => {
        const { database, auth } = snapshots.current.gateway;
        const password = (): string => snapshots.current.gateway.database.password;
        return buildDatabaseSettings({ ...database, password, graceMs: auth.staleGraceMs });
      },
    },
    DatabaseService,
    ApiKeyRepository,
  ],
  exports: [DatabaseService, ApiKeyRepository],
})
export class DatabaseModule {}
