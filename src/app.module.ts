import { type DynamicModule, Global, Module, type ValueProvider } from '@nestjs/common';
import { AccountingModule } from './accounting/accounting.module.js';
import { AuditModule } from './audit/audit.module.js';
import { GatewayConfigModule } from './config/config.module.js';
import { DatabaseModule } from './database/database.module.js';
import { systemClock } from './domain/clock.js';
import { CLOCK } from './domain/observer.js';
import { SECRET_RULES_DIRECTORY } from './filter/filter.module.js';
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
@Module({})
class GroundModule {
  static forRoot(configDirectory: string | undefined): DynamicModule {
    const providers: ValueProvider[] = [{ provide: CLOCK, useValue: systemClock }];
    if (configDirectory !== undefined) providers.push({ provide: SECRET_RULES_DIRECTORY, useValue: configDirectory });
    return { module: GroundModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}

/** Wires the rooms; the only place that knows them all. */
@Module({})
export class AppModule {
  static forRoot({ configDirectory, environment }: AppOptions = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [
        GatewayConfigModule.forRoot({
          ...(configDirectory !== undefined && { directory: configDirectory }),
          ...(environment !== undefined && { environment }),
        }),
        GroundModule.forRoot(configDirectory),
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
