import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AccountingModule } from './accounting/accounting.module.js';
import { AuditModule } from './audit/audit.module.js';
import { GatewayConfigModule } from './config/config.module.js';
import { DatabaseModule } from './database/database.module.js';
import { systemClock } from './domain/clock.js';
import { CLOCK } from './domain/observer.js';
import { FILTER_SETTINGS } from './filter/filter-settings.js';
import { GatewayModule } from './gateway/gateway.module.js';
import { LifecycleModule } from './lifecycle/lifecycle.module.js';
import { RedisModule } from './redis/redis.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { ALONE, WORKER_ROLE, type WorkerRole } from './workers/worker-role.js';

export interface AppOptions {
  /** The folder of the YAML files; else `AEGIS_CONFIG_DIR`, else `config`. */
  readonly configDirectory?: string;
  /** Stands in for `process.env` in every `${NAME}` of the configuration. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Where several processes serve on one port: which one this is. */
  readonly role?: WorkerRole;
}

/** What rooms ask for and no room provides. */
@Global()
@Module({})
class GroundModule {
  static forRoot(role: WorkerRole): DynamicModule {
    return {
      module: GroundModule,
      providers: [
        { provide: CLOCK, useValue: systemClock },
        { provide: WORKER_ROLE, useValue: role },
      ],
      exports: [CLOCK, WORKER_ROLE],
    };
  }
}

/** Wires the rooms; the only place that knows them all. */
@Module({})
export class AppModule {
  static forRoot({ configDirectory, environment, role = ALONE }: AppOptions = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [
        GatewayConfigModule.forRoot({
          extension: FILTER_SETTINGS,
          ...(configDirectory !== undefined && { directory: configDirectory }),
          ...(environment !== undefined && { environment }),
        }),
        GroundModule.forRoot(role),
        LifecycleModule,
        TelemetryModule,
        DatabaseModule,
        RedisModule,
        AccountingModule,
        AuditModule,
        GatewayModule,
      ],
    };
  }
}
