import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { BudgetSeeder } from '../../../src/accounting/limits/budget-seeder.js';
import type { LimitDemand } from '../../../src/accounting/limits/limit-store.js';
import {
  type GrantOutcome,
  LimiterService,
  type StoreFailurePolicy,
} from '../../../src/accounting/limits/limiter.service.js';
import { LocalLimitStore } from '../../../src/accounting/limits/local-limit.store.js';
import { RedisLimitStore } from '../../../src/accounting/limits/redis-limit.store.js';
import { SpendingRepository } from '../../../src/accounting/limits/spending.repository.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings, type RedisSettings } from '../../../src/redis/redis-settings.js';
import type { TestDatabase } from '../../support/postgres.js';

Logger.overrideLogger(false);

/** What one gateway process has for limits, without the gateway. */
export interface LimitReplica {
  readonly redis: RedisService;
  readonly limiter: LimiterService;
  reserve(demand: LimitDemand, policy?: StoreFailurePolicy): Promise<GrantOutcome>;
  close(): Promise<void>;
}

export async function startLimitReplica(
  databaseUrl: string,
  redisUrl: string,
  reached: Partial<RedisSettings> = {},
): Promise<LimitReplica> {
  const database = new DatabaseService(
    buildDatabaseSettings({ url: databaseUrl, queryTimeoutMs: 1_000, connectTimeoutMs: 1_000 }),
  );
  const redis = new RedisService(buildRedisSettings({ url: redisUrl, ...reached }));
  await database.onModuleInit();
  await redis.onModuleInit();
  const seeder = new BudgetSeeder(new SpendingRepository(database));
  const limiter = new LimiterService(new RedisLimitStore(redis), new LocalLimitStore(), seeder);
  limiter.onModuleInit();
  return {
    redis,
    limiter,
    reserve: (demand, policy = 'local') => limiter.reserve(demand, policy, new AbortController().signal),
    close: async () => {
      await limiter.beforeApplicationShutdown();
      limiter.onModuleDestroy();
      redis.onApplicationShutdown();
      await database.onApplicationShutdown();
    },
  };
}

/** A request as the ledger has it; one that ended as it began, a moment ago, if not said otherwise. */
export async function recordUse(
  database: TestDatabase,
  keyId: string,
  costNanoUsd: bigint,
  startedAt = new Date(),
  durationMs = 0,
): Promise<void> {
  await database.query(
    `INSERT INTO usage_request
       (id, request_id, key_id, organization, team, stream, status, ending, started_at, duration_ms, upstream_ms,
        usage_source, cost_nano_usd, price_version)
     VALUES ($1, 'r', $2, 'acme', 'core', false, 200, 'complete', $3, $5, $5, 'provider', $4, 'test')`,
    [randomUUID(), keyId, startedAt, costNanoUsd.toString(), durationMs],
  );
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
