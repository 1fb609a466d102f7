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

export interface AppOptions {
  /** The folder of the YAML files; else `AEGIS_CONFIG_DIR`, else `config`. */
  readonly configDirectory?: string;
  /** Stands in for `process.env` in every `${NAME}` of the configuration. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** What rooms ask for and no room provides. */
@Global()
@Module({ providers: [{ provide: CLOCK, useValue: systemClock }], exports: [CLOCK] })
class GroundModule {}

/** Wires the rooms; the only place that knows them all. */
@Module({})
export class AppModule {
  static forRoot({ configDirectory, environment }: AppOptions = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [
        GatewayConfigModule.forRoot({
          extension: FILTER_SETTINGS,
          ...(configDirectory !== undefined && { directory: configDirectory }),
          ...(environment !== undefined && { environment }),
        }),
        GroundModule,
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
