import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { GatewayObserver } from '../domain/observer.js';
import { GATEWAY_OBSERVER, silentObserver } from '../domain/observer.js';
import { RedisService } from '../redis/redis.service.js';
import { type RedisCall, sendTogether } from '../redis/together.js';
import type { AuthSettings } from './auth-settings.js';
import { AUTH_SETTINGS } from './auth-settings.js';
import type { DatedKey } from './stored-key.codec.js';
import { StoredKeyCodec } from './stored-key.codec.js';

/** Channel on which replicas tell each other the hash of a key that changed. */
export const KEY_CHANGED_CHANNEL = 'aegis:key-changed';

const KEY_PREFIX = 'aegis:key:';
/** Stands in the place of an entry that must not come back. Longer than any look-up can be under way. */
const TOMBSTONE = 'changed';
const TOMBSTONE_MS = 60_000;
/** Replicas' clocks may differ by this much; an entry from further in the future is not believed. */
const CLOCK_SKEW_MS = 60_000;
const MAX_CHANGED_KEYS = 100_000;
/** Sent at once: few enough to be done within a command's time limit. */
const MAX_COMMANDS = 500;

/** A look-up that began before a change must not put the old state back: one step, so that nothing comes between. */
const WRITE_UNLESS_CHANGED = `
if redis.call('GET', KEYS[1]) == ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

/** Keys in Redis, shared by the replicas. Every method throws where Redis cannot be asked; a reader goes on without. */
@Injectable()
export class RedisKeyCache {
  private readonly logger = new Logger('KeyCache');
  private readonly observer: GatewayObserver;
  private readonly codec: StoredKeyCodec;
  /** Key hash → when it was learnt that the key changed; wall clock. Whatever Redis says, older entries are not it. */
  private readonly changed: LRUCache<string, number>;
  private allChangedAtMs = 0;
  private hasWarned = false;

  constructor(
    private readonly redis: RedisService,
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
  ) {
    this.observer = observer ?? silentObserver;
    this.codec = new StoredKeyCodec(settings.pepper);
    this.changed = new LRUCache({ max: MAX_CHANGED_KEYS, ttl: this.longestUseMs + CLOCK_SKEW_MS });
  }

  get isEnabled(): boolean {
    return this.redis.isEnabled;
  }

  get isAvailable(): boolean {
    return this.redis.isAvailable;
  }

  /** Null where there is none that can be believed. `nowMs`: wall clock. */
  async find(keyHash: string, nowMs: number): Promise<DatedKey | null> {
    const text = await this.redis.run((client) => client.get(KEY_PREFIX + keyHash));
    if (text === null || text === TOMBSTONE) return null;
    const dated = this.codec.decode(keyHash, text);
    if (dated === null) {
      this.noteForgery();
      return null;
    }
    // The age is sealed in, so that an old entry put back by hand does not count as new.
    const { verifiedAtMs } = dated;
    const changedAtMs = Math.max(this.changed.get(keyHash) ?? 0, this.allChangedAtMs);
    const isCredible =
      verifiedAtMs > changedAtMs && verifiedAtMs <= nowMs + CLOCK_SKEW_MS && nowMs - verifiedAtMs <= this.longestUseMs;
    return isCredible ? dated : null;
  }

  async write(keyHash: string, dated: DatedKey): Promise<void> {
    const text = this.codec.encode(keyHash, dated);
    await this.redis.run((client) =>
      client.eval(WRITE_UNLESS_CHANGED, 1, KEY_PREFIX + keyHash, text, this.longestUseMs, TOMBSTONE),
    );
  }

  /** The database says that these keys changed: what was verified until `nowMs` (wall clock) is not believed any more. */
  distrust(keyHashes: readonly string[], nowMs: number): void {
    for (const keyHash of keyHashes) this.changed.set(keyHash, nowMs);
  }

  /** As `distrust`, for all keys there are. */
  distrustAll(nowMs: number): void {
    this.allChangedAtMs = nowMs;
  }

  /** Removes entries and keeps them away until look-ups now under way have ended. */
  bury(keyHashes: readonly string[]): Promise<void> {
    return this.runForAll(keyHashes, (keyHash) => ['set', KEY_PREFIX + keyHash, TOMBSTONE, 'PX', TOMBSTONE_MS]);
  }

  /** Makes every replica forget a key: first the entry goes, then the word, since who hears it asks Redis next. */
  async announce(keyHashes: readonly string[]): Promise<void> {
    await this.bury(keyHashes);
    await this.runForAll(keyHashes, (keyHash) => ['publish', KEY_CHANGED_CHANNEL, keyHash]);
  }

  /** Entries live as long as they may be used: as fresh ones, or in the grace while the database is away. */
  get longestUseMs(): number {
    return Math.max(this.settings.redisTtlMs, this.settings.staleGraceMs);
  }

  private async runForAll(keyHashes: readonly string[], callFor: (keyHash: string) => RedisCall): Promise<void> {
    for (let from = 0; from < keyHashes.length; from += MAX_COMMANDS) {
      await this.redis.run(async (client) => {
        const replies = await sendTogether(client, keyHashes.slice(from, from + MAX_COMMANDS).map(callFor));
        for (const [error] of replies) if (error !== null) throw error;
      });
    }
  }

  private noteForgery(): void {
    this.observer.keyEntryRefused();
    if (this.hasWarned) return;
    this.hasWarned = true;
    this.logger.warn(
      'Redis holds an entry of a key that this gateway did not seal: written by another version, with another pepper, or by a stranger. Such entries are ignored and counted.',
    );
  }
}
