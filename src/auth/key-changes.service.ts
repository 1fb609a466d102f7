import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseUnavailableError } from '../database/database.errors.js';
import { RedisService } from '../redis/redis.service.js';
import type { AuthSettings } from './auth-settings.js';
import { AUTH_SETTINGS } from './auth-settings.js';
import { KEY_CHANGED_CHANNEL, RedisKeyCache } from './redis-key.cache.js';
import { TieredKeyStore } from './tiered-key.store.js';

const KEY_HASH = /^[0-9a-f]{64}$/;
/** A transaction may commit this long after the time it wrote down. */
const OVERLAP_MS = 30_000;
const LONGEST_SWEEP_INTERVAL_MS = 5_000;

/**
 * Makes this replica forget keys that changed. Redis tells at once. Messages can be lost, so the database is asked too,
 * a few times within the life of an entry in memory: a revoked key ends in time whatever Redis does.
 */
@Injectable()
export class KeyChangesService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('KeyChanges');
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | null = null;
  /** The database's clock at the last sweep. */
  private sweptAt: Date | null = null;
  /** The database's clock up to which Redis holds no old entry; null = nobody knows, it was away. */
  private buriedAt: Date | null = null;
  /** Counts Redis's returns: what was buried before one may be lost. */
  private returns = 0;

  constructor(
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
    private readonly redis: RedisService,
    private readonly shared: RedisKeyCache,
    private readonly store: TieredKeyStore,
    private readonly keys: ApiKeyRepository,
  ) {}

  onModuleInit(): void {
    this.redis.subscribe(
      KEY_CHANGED_CHANNEL,
      (keyHash) => {
        if (KEY_HASH.test(keyHash)) this.store.forget([keyHash]);
      },
      // Messages were lost meanwhile, and what lies in Redis may be older than they were.
      () => {
        this.returns += 1;
        this.buriedAt = null;
        void this.sweep();
      },
    );
    const intervalMs = Math.min(this.settings.cacheTtlMs / 2, LONGEST_SWEEP_INTERVAL_MS);
    this.timer = setInterval(() => void this.sweep(), intervalMs);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** Asks the database what changed and forgets it. Never throws. */
  sweep(): Promise<void> {
    this.sweeping ??= this.sweepOnce().finally(() => {
      this.sweeping = null;
    });
    return this.sweeping;
  }

  private async sweepOnce(): Promise<void> {
    try {
      const canBury = this.shared.isAvailable;
      const returns = this.returns;
      const since = canBury ? this.buriedAt : this.sweptAt;
      const isCatchingUp = canBury && since === null;
      const { hashes, asOf } = await this.keys.findChanged(since, isCatchingUp ? this.shared.longestUseMs : OVERLAP_MS);
      this.store.forget(hashes);
      this.sweptAt = asOf;
      if (!canBury) {
        this.buriedAt = null;
        return;
      }
      // Whoever changed them may not have reached Redis.
      if (hashes.length > 0) await this.shared.bury(hashes);
      if (returns === this.returns) this.buriedAt = asOf;
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) return;
      this.logger.debug(`A sweep for changed keys failed: ${String(error)}`);
    }
  }
}
