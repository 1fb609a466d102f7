import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { AuthSettings } from '../../../src/auth/auth-settings.js';
import { KeyChangesService } from '../../../src/auth/key-changes.service.js';
import { KeyFinder } from '../../../src/auth/key-finder.js';
import { OpenRequests } from '../../../src/auth/open-requests.js';
import { RedisKeyCache } from '../../../src/auth/redis-key.cache.js';
import { TieredKeyStore } from '../../../src/auth/tiered-key.store.js';
import { KeyAdministration } from '../../../src/cli/key-administration.service.js';
import type { NewApiKey } from '../../../src/database/api-key.repository.js';
import { ApiKeyRepository } from '../../../src/database/api-key.repository.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings, type RedisSettings } from '../../../src/redis/redis-settings.js';

/** What one gateway process has for keys, without the gateway. */
export interface Replica {
  readonly settings: AuthSettings;
  readonly database: DatabaseService;
  readonly redis: RedisService;
  readonly shared: RedisKeyCache;
  readonly keys: ApiKeyRepository;
  readonly store: TieredKeyStore;
  readonly finder: KeyFinder;
  readonly openRequests: OpenRequests;
  readonly changes: KeyChangesService;
  readonly administration: KeyAdministration;
  close(): Promise<void>;
}

export interface ReplicaOptions {
  readonly databaseUrl: string;
  readonly redisUrl?: string;
  /** How else it is reached: TLS, Sentinels, a cluster. */
  readonly redis?: Partial<RedisSettings>;
  readonly auth?: Partial<AuthSettings>;
}

// Outages are what these suites are about; telling of each would bury what fails.
Logger.overrideLogger(false);

export const PEPPER = 'a pepper that is used in tests only';

export async function startReplica({
  databaseUrl,
  redisUrl = '',
  redis: reached = {},
  auth = {},
}: ReplicaOptions): Promise<Replica> {
  const settings: AuthSettings = {
    pepper: PEPPER,
    previousPepper: null,
    cacheTtlMs: 10_000,
    cacheMaxEntries: 1_000,
    redisTtlMs: 300_000,
    negativeTtlMs: 5_000,
    staleGraceMs: 900_000,
    maxFailuresPerMinute: 100,
    trustedProxies: [],
    ...auth,
  };
  const database = new DatabaseService(
    buildDatabaseSettings({ url: databaseUrl, queryTimeoutMs: 1_000, connectTimeoutMs: 1_000 }),
  );
  const redis = new RedisService(buildRedisSettings({ url: redisUrl, commandTimeoutMs: 250, ...reached }));
  const keys = new ApiKeyRepository(database);
  const shared = new RedisKeyCache(redis, settings);
  const store = new TieredKeyStore(settings, shared, database, keys);
  const openRequests = new OpenRequests(keys);
  const changes = new KeyChangesService(settings, redis, shared, store, keys, openRequests);
  await database.onModuleInit();
  await redis.onModuleInit();
  changes.onModuleInit();
  return {
    settings,
    database,
    redis,
    shared,
    keys,
    store,
    openRequests,
    finder: new KeyFinder(settings, store, database, keys, shared),
    changes,
    administration: new KeyAdministration(settings, keys, redis, shared),
    close: async () => {
      await changes.onApplicationShutdown();
      redis.onApplicationShutdown();
      await database.onApplicationShutdown();
    },
  };
}

export function buildOrder(changes: Partial<NewApiKey> = {}): NewApiKey {
  return {
    keyHash: randomBytes(32).toString('hex'),
    keyPrefix: 'aegis-test-abcdef',
    keyName: 'laptop',
    organization: 'acme',
    team: 'core',
    user: null,
    defaultClassification: 'INTERNAL',
    maxClassification: 'CONFIDENTIAL',
    allowedModels: ['aegis-fast'],
    rpmLimit: 60,
    tpmLimit: null,
    maxParallelRequests: 4,
    budgetNanoUsd: 9_007_199_254_740_993n,
    budgetWindow: 'month',
    expiresAtMs: null,
    mayExplain: false,
    ...changes,
  };
}

/** Asks until the answer is the wanted one; milliseconds it took. Throws after `deadlineMs`. */
export async function waitUntil(isTrue: () => Promise<boolean> | boolean, deadlineMs = 15_000): Promise<number> {
  const startedAtMs = performance.now();
  while (!(await isTrue())) {
    if (performance.now() - startedAtMs > deadlineMs) throw new Error(`still not so after ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return performance.now() - startedAtMs;
}
