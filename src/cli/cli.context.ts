import type { INestApplicationContext } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { AUTH_SETTINGS, loadAuthSettings } from '../auth/auth-settings.js';
import { RedisKeyCache } from '../auth/redis-key.cache.js';
import { GatewayConfigModule } from '../config/config.module.js';
import type { ConfigSnapshot } from '../config/snapshot.js';
import { SnapshotService } from '../config/snapshot.service.js';
import { BudgetRepository } from '../database/budget.repository.js';
import { getDataFolder } from '../database/data-folder.js';
import { DatabaseModule } from '../database/database.module.js';
import { DatabaseService } from '../database/database.service.js';
import { accessOf, buildAccess, type DatabaseAccess } from '../database/database-access.js';
import { startEmbeddedPostgres } from '../database/embedded-postgres.js';
import { RedisModule } from '../redis/redis.module.js';
import { RedisService } from '../redis/redis.service.js';
import { BudgetAdministration } from './budget-administration.service.js';
import { KeyAdministration } from './key-administration.service.js';
import { StderrLogger } from './stderr.logger.js';

const DATABASE_DEADLINE_MS = 10_000;

@Module({ imports: [GatewayConfigModule.forRoot({ watch: false })] })
class ConfigOnlyModule {}

@Module({ imports: [GatewayConfigModule.forRoot({ watch: false }), DatabaseModule, RedisModule] })
class LedgerModule {}

@Module({
  imports: [GatewayConfigModule.forRoot({ watch: false }), DatabaseModule, RedisModule],
  providers: [
    {
      provide: AUTH_SETTINGS,
      inject: [SnapshotService],
      useFactory: ({ current }: SnapshotService) => loadAuthSettings(current.gateway),
    },
    RedisKeyCache,
    KeyAdministration,
    BudgetRepository,
    BudgetAdministration,
  ],
})
class KeyAdministrationModule {}

@Module({ imports: [ConfigModule.forRoot({ ignoreEnvFile: process.env.NODE_ENV === 'production' })] })
class EnvironmentModule {}

/** The process's environment as the gateway has it: with `.env` beneath it in development. */
export function withEnvironment<T>(action: () => Promise<T>): Promise<T> {
  return withContext(EnvironmentModule, action);
}

/** The configuration that the gateway would start with. Throws `ConfigError` where it would not. */
export function withConfig<T>(action: (snapshot: ConfigSnapshot) => Promise<T>): Promise<T> {
  return withContext(ConfigOnlyModule, (context) => action(context.get(SnapshotService, { strict: false }).current));
}

/** The stores as the gateway has them, the embedded database included. Throws where the database cannot be asked. */
export function withKeys<T>(action: (keys: KeyAdministration, snapshot: ConfigSnapshot) => Promise<T>): Promise<T> {
  return withStores((context) =>
    action(context.get(KeyAdministration), context.get(SnapshotService, { strict: false }).current),
  );
}

/** As `withKeys`. */
export function withBudgets<T>(action: (budgets: BudgetAdministration) => Promise<T>): Promise<T> {
  return withStores((context) => action(context.get(BudgetAdministration)));
}

function withStores<T>(action: (context: INestApplicationContext) => Promise<T>): Promise<T> {
  return withContext(KeyAdministrationModule, async (context) => {
    const database = context.get(DatabaseService, { strict: false });
    if (!(await database.waitUntilReady(DATABASE_DEADLINE_MS))) {
      throw new Error(`The database cannot be asked: ${database.health.reason}`);
    }
    return action(context);
  });
}

/** What usage is kept and counted in. */
export interface LedgerStores {
  readonly database: DatabaseService;
  readonly redis: RedisService;
  readonly snapshot: ConfigSnapshot;
}

/** The database and, where it is configured and can be reached, Redis. Throws where the database cannot be asked. */
export function withLedger<T>(action: (stores: LedgerStores) => Promise<T>): Promise<T> {
  return withContext(LedgerModule, async (context) => {
    const database = context.get(DatabaseService, { strict: false });
    if (!(await database.waitUntilReady(DATABASE_DEADLINE_MS))) {
      throw new Error(`The database cannot be asked: ${database.health.reason}`);
    }
    const redis = context.get(RedisService, { strict: false });
    return action({ database, redis, snapshot: context.get(SnapshotService, { strict: false }).current });
  });
}

/** How the database is reached, with the embedded server running where that is configured. */
export function withDatabaseAccess<T>(action: (access: DatabaseAccess, isEmbedded: boolean) => Promise<T>): Promise<T> {
  return withConfig(async ({ gateway }) => {
    const { database } = gateway;
    if (database.url !== '') return action(buildAccess({ ...database, password: () => database.password }), false);
    const server = await startEmbeddedPostgres({
      folder: getDataFolder(),
      report: (message) => process.stderr.write(`${message}\n`),
    });
    try {
      return await action(accessOf(server.url), true);
    } finally {
      await server.stop();
    }
  });
}

async function withContext<T>(module: object, action: (context: INestApplicationContext) => Promise<T>): Promise<T> {
  const context = await NestFactory.createApplicationContext(module, {
    logger: new StderrLogger(),
    abortOnError: false,
  });
  try {
    return await action(context);
  } finally {
    await context.close();
  }
}
