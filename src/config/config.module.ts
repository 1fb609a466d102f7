import { resolve } from 'node:path';
import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { ModuleRef } from '@nestjs/core';
import { GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import type { ConfigExtension } from './extension.js';
import { SnapshotService } from './snapshot.service.js';

export interface GatewayConfigOptions {
  /** The folder of the YAML files; else `AEGIS_CONFIG_DIR`, else `config`. Relative to the working directory. */
  readonly directory?: string;
  /** Stands in for the process's environment, `.env` included. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Whether changed files and SIGHUP reload the configuration; true where absent. */
  readonly watch?: boolean;
  /** What rooms above add to the configuration. */
  readonly extension?: ConfigExtension;
}

const DEFAULT_DIRECTORY = 'config';

/** Gives every room the `SnapshotService`. The start fails with a `ConfigError` where the files are wrong. */
@Module({})
export class GatewayConfigModule {
  static forRoot(options: GatewayConfigOptions = {}): DynamicModule {
    return {
      module: GatewayConfigModule,
      global: true,
      imports: [environmentModule(options.environment)],
      providers: [
        {
          provide: SnapshotService,
          inject: [ConfigService, ModuleRef],
          useFactory: (environment: ConfigService, modules: ModuleRef) =>
            SnapshotService.open({
              directory: resolve(options.directory ?? directoryIn(environment)),
              environment: options.environment ?? process.env,
              watch: options.watch ?? true,
              ...(options.extension && { extension: options.extension }),
              observer: () => findObserver(modules),
            }),
        },
      ],
      exports: [SnapshotService],
    };
  }
}

/** Puts `.env` beneath the process's environment in development, as the module does, for who needs it before. */
export async function loadEnvironment(): Promise<void> {
  await environmentModule(undefined);
}

/** The process's environment, with `.env` beneath it in development; or exactly the one given. */
function environmentModule(environment: NodeJS.ProcessEnv | undefined): Promise<DynamicModule> {
  if (environment === undefined) {
    return ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: process.env.NODE_ENV === 'production' });
  }
  return ConfigModule.forRoot({
    isGlobal: true,
    ignoreEnvFile: true,
    validatePredefined: false,
    skipProcessEnv: true,
    load: [() => ({ ...environment })],
  });
}

function directoryIn(environment: ConfigService): string {
  const directory = environment.get<string>('AEGIS_CONFIG_DIR');
  return directory === undefined || directory === '' ? DEFAULT_DIRECTORY : directory;
}

/** Telemetry, where it is part of the application; the command line runs without. */
function findObserver(modules: ModuleRef): GatewayObserver {
  try {
    return modules.get<GatewayObserver>(GATEWAY_OBSERVER, { strict: false });
  } catch {
    return silentObserver;
  }
}
