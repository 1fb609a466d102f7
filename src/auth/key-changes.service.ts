import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import type { ChangedKeys } from '../database/api-key.repository.js';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseUnavailableError } from '../database/database.errors.js';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import { RedisService } from '../redis/redis.service.js';
import type { AuthSettings } from './auth-settings.js';
import { AUTH_SETTINGS } from './auth-settings.js';
import { OpenRequests } from './open-requests.js';
import { KEY_CHANGED_CHANNEL, RedisKeyCache } from './redis-key.cache.js';
import { TieredKeyStore } from './tiered-key.store.js';

const KEY_HASH = /^[0-9a-f]{64}$/;
/** A transaction may commit this long after the time it wrote down. Only where its number cannot tell. */
const OVERLAP_MS = 30_000;
/** How often it is looked whether messages arrive, and the database asked where they do not. */
const TICK_MS = 1_000;
/** How often the database is asked while messages arrive. */
const LONGEST_SWEEP_INTERVAL_MS = 5_000;
/** Messages within this time cause one sweep: a flood of them is no flood of queries. */
const MESSAGE_PAUSE_MS = 200;
/** How long a tick vouches for what lies in memory. */
const VOUCHER_MS = 2 * TICK_MS;

/**
 * Brings up to date what this replica knows of keys that changed, and ends what they have open. Redis tells at once, and
 * is not believed: a message can make a replica forget and ask, nothing else. Messages can be lost, so the database is
 * asked for all that changed since, by the numbers of the transactions that did it: a few times within the life of an entry in memory, and
 * every second while no messages arrive.
 */
@Injectable()
export class KeyChangesService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('KeyChanges');
  private readonly clock: Clock;
  private timer: NodeJS.Timeout | undefined;
  private messageTimer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | null = null;
  private sweptAtMs = Number.NEGATIVE_INFINITY;
  /** The server's run at the last sweep; null where the database was away since. */
  private serverRun: string | null = null;
  /** The same, whether it was away since or not: what the last sweep has told is true of this run alone. */
  private sweptRun: string | null = null;
  /** The first transaction whose changes may not have been seen. */
  private sweptUpTo: bigint | null = null;
  /** The first transaction whose changes may have left an old entry in Redis; null = nobody knows, it was away. */
  private buriedUpTo: bigint | null = null;
  /** Keys that were known until a message said they changed. */
  private readonly heard = new Set<string>();
  /** Counts Redis's returns: what was buried before one may be lost. */
  private returns = 0;

  constructor(
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
    private readonly redis: RedisService,
    private readonly shared: RedisKeyCache,
    private readonly store: TieredKeyStore,
    private readonly keys: ApiKeyRepository,
    private readonly openRequests: OpenRequests,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.clock = clock ?? systemClock;
  }

  onModuleInit(): void {
    this.redis.subscribe(
      KEY_CHANGED_CHANNEL,
      (keyHash) => this.hear(keyHash),
      // Messages were lost meanwhile, and what lies in Redis may be older than they were.
      () => {
        this.returns += 1;
        this.buriedUpTo = null;
        void this.sweep();
      },
    );
    void this.sweep();
    this.timer = setInterval(() => this.tick(), Math.min(this.settings.cacheTtlMs / 2, TICK_MS));
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    clearTimeout(this.messageTimer);
    this.messageTimer = undefined;
    await this.sweeping;
  }

  /** Asks the database what changed, and for the present state of what is known of it. Never throws. */
  sweep(): Promise<void> {
    this.sweeping ??= this.sweepOnce().finally(() => {
      this.sweeping = null;
    });
    return this.sweeping;
  }

  private hear(keyHash: string): void {
    if (!KEY_HASH.test(keyHash)) return;
    // It may be the word of a revocation: served again only once the database was asked. The sweep does that.
    if (this.store.has(keyHash)) this.heard.add(keyHash);
    this.store.forget([keyHash]);
    this.openRequests.doubt([keyHash]);
    // Anybody who reaches Redis may have said it. What the database says counts against old entries in Redis as well.
    this.messageTimer ??= setTimeout(() => {
      this.messageTimer = undefined;
      void this.sweep();
    }, MESSAGE_PAUSE_MS);
  }

  private tick(): void {
    const nowMs = this.clock.monotonicMs();
    const intervalMs = Math.min(this.settings.cacheTtlMs / 2, LONGEST_SWEEP_INTERVAL_MS);
    if (this.redis.isListening) this.store.vouch(nowMs + VOUCHER_MS);
    if (!this.redis.isListening || nowMs - this.sweptAtMs >= intervalMs) void this.sweep();
  }

  private async sweepOnce(): Promise<void> {
    const startedAtMs = this.clock.monotonicMs();
    try {
      const canBury = this.shared.isAvailable;
      const returns = this.returns;
      const since = canBury && this.buriedUpTo !== null ? least(this.buriedUpTo, this.sweptUpTo) : this.sweptUpTo;
      const isCatchingUp = this.sweptUpTo === null || (canBury && this.buriedUpTo === null);
      const { hashes, horizon, serverRun } = await this.findChanged(
        since,
        isCatchingUp && this.shared.isEnabled,
        startedAtMs,
      );
      // What was looked up before the first question may have changed before it.
      const isFirst = this.sweptUpTo === null;
      const isOlder = this.sweptUpTo !== null && horizon < this.sweptUpTo;
      // Where it only began anew, it may still have lost what was looked up after the last sweep.
      const isAnother = isOlder || (this.sweptRun !== null && this.sweptRun !== serverRun);
      if (isAnother) this.distrustAll();
      await this.renew(hashes, isFirst || isAnother);
      if (isOlder) this.logger.warn('The database has gone back in time: every key was asked for anew.');
      else if (isAnother) this.logger.log('The database was started again: every key was asked for anew.');
      this.sweptUpTo = horizon;
      this.sweptRun = serverRun;
      this.sweptAtMs = startedAtMs;
      this.store.vouch(startedAtMs + VOUCHER_MS);
      void this.openRequests.resolveDoubts();
      if (!canBury) {
        this.buriedUpTo = null;
        return;
      }
      // Whoever changed them may not have reached Redis.
      if (hashes.length > 0) await this.shared.bury(hashes);
      if (returns === this.returns) this.buriedUpTo = horizon;
    } catch (error) {
      this.serverRun = null;
      if (error instanceof DatabaseUnavailableError) return;
      this.logger.debug(`A sweep for changed keys failed: ${error instanceof Error ? error.name : 'unknown'}`);
    }
  }

  /** By number, and by time where the numbers of an earlier sweep may mean nothing: the server was away or restarted. */
  private async findChanged(since: bigint | null, isCatchingUp: boolean, nowMs: number): Promise<ChangedKeys> {
    const known = this.serverRun;
    const unsureMs = since === null ? 0 : nowMs - this.sweptAtMs + OVERLAP_MS;
    const catchUpMs = isCatchingUp ? this.shared.longestUseMs + OVERLAP_MS : 0;
    const changed = await this.keys.findChanged(since, Math.max(catchUpMs, known === null ? unsureMs : 0));
    this.serverRun = changed.serverRun;
    if (known === null || known === changed.serverRun) return changed;
    return this.keys.findChanged(since, Math.max(catchUpMs, unsureMs));
  }

  /** All that is known of changed keys is brought up to date, or nothing: a sweep that fails has told nothing. */
  private async renew(changed: readonly string[], isAll: boolean): Promise<void> {
    // First of all: look-ups from now on must not find in Redis what was there before.
    this.shared.distrust(changed, this.clock.nowMs());
    this.openRequests.doubt(changed);
    if (isAll) this.store.outdateAll();
    else this.store.outdate(changed);
    const heard = [...this.heard];
    this.heard.clear();
    const known = isAll ? this.store.knownHashes() : changed.filter((keyHash) => this.store.has(keyHash));
    try {
      await this.store.renew([...new Set([...known, ...heard])]);
    } catch (error) {
      for (const keyHash of heard) this.heard.add(keyHash);
      throw error;
    }
  }

  /** This may be another database, restored or failed over to. What was known may never have been. */
  private distrustAll(): void {
    this.shared.distrustAll(this.clock.nowMs());
    this.openRequests.doubtAll();
  }
}

function least(one: bigint, other: bigint | null): bigint {
  return other === null || one < other ? one : other;
}
