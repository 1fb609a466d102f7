import { Inject, Injectable } from '@nestjs/common';
import { RedisService } from '../redis/redis.service.js';
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

/** A look-up that began before a change must not put the old state back: one step, so that nothing comes between. */
const WRITE_UNLESS_CHANGED = `
if redis.call('GET', KEYS[1]) == ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

/** Keys in Redis, shared by the replicas. Every method throws where Redis cannot be asked; a reader goes on without. */
@Injectable()
export class RedisKeyCache {
  private readonly codec: StoredKeyCodec;

  constructor(
    private readonly redis: RedisService,
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
  ) {
    this.codec = new StoredKeyCodec(settings.pepper);
  }

  get isAvailable(): boolean {
    return this.redis.isAvailable;
  }

  /** Null where there is none that can be believed. `nowMs`: wall clock. */
  async find(keyHash: string, nowMs: number): Promise<DatedKey | null> {
    const text = await this.redis.run((client) => client.get(KEY_PREFIX + keyHash));
    if (text === null || text === TOMBSTONE) return null;
    const dated = this.codec.decode(keyHash, text);
    // The age is sealed in, so that an old entry put back by hand does not count as new.
    const isCredible =
      dated !== null && dated.verifiedAtMs <= nowMs + CLOCK_SKEW_MS && nowMs - dated.verifiedAtMs <= this.longestUseMs;
    return isCredible ? dated : null;
  }

  async write(keyHash: string, dated: DatedKey): Promise<void> {
    const text = this.codec.encode(keyHash, dated);
    await this.redis.run((client) =>
      client.eval(WRITE_UNLESS_CHANGED, 1, KEY_PREFIX + keyHash, text, this.longestUseMs, TOMBSTONE),
    );
  }

  /** Removes entries and keeps them away until look-ups now under way have ended. */
  async bury(keyHashes: readonly string[]): Promise<void> {
    await this.redis.run(async (client) => {
      const commands = client.pipeline();
      for (const keyHash of keyHashes) commands.set(KEY_PREFIX + keyHash, TOMBSTONE, 'PX', TOMBSTONE_MS);
      const results = await commands.exec();
      for (const [error] of results ?? []) if (error !== null) throw error;
    });
  }

  /** Tells every replica. */
  async announce(keyHash: string): Promise<void> {
    await this.redis.run((client) => client.publish(KEY_CHANGED_CHANNEL, keyHash));
  }

  /** Entries live as long as any use of them: as fresh ones, or in the grace while the database is away. */
  get longestUseMs(): number {
    return Math.max(this.settings.redisTtlMs, this.settings.staleGraceMs);
  }
}
