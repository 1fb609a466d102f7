import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseUnavailableError } from '../database/database.errors.js';
import { DatabaseService } from '../database/database.service.js';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import type { KeyLookup, KeyStore, StoredKey } from '../domain/key-store.js';
import type { GatewayObserver } from '../domain/observer.js';
import { CLOCK, GATEWAY_OBSERVER, silentObserver } from '../domain/observer.js';
import type { AuthSettings } from './auth-settings.js';
import { AUTH_SETTINGS } from './auth-settings.js';
import { RedisKeyCache } from './redis-key.cache.js';
import type { DatedKey } from './stored-key.codec.js';

interface MemoryEntry extends DatedKey {
  /** Monotonic milliseconds until which nobody need be asked, as long as somebody vouches for what lies in memory. */
  freshUntilMs: number;
  /** The same where nobody does. */
  freshAloneUntilMs: number;
}

/** One look-up under way; everybody who wants the same key waits for it. */
interface Flight {
  readonly result: Promise<KeyLookup>;
  /** The key changed meanwhile: what this look-up found may be old. */
  isOutdated: boolean;
}

/** How long a request with a known key waits for a slow store before the known state serves it. */
const PATIENCE_MS = 300;
/** How long a known state serves without asking anew while the database is away. */
const STALE_PAUSE_MS = 1_000;
/** How long an entry is believed while nothing says that changes would be heard of. */
const ALONE_TTL_MS = 2_000;
/** A key that changes again and again while it is looked up. */
const MAX_LOOKUPS = 3;
/** Asked for in one statement: few enough to be answered within its time limit. */
const MAX_RENEWED = 1_000;

/**
 * Memory → Redis → PostgreSQL. An unknown key costs one query a `negativeTtlMs`; a known one lives through an outage
 * of the database for `staleGraceMs` since the database last vouched for it.
 */
@Injectable()
export class TieredKeyStore implements KeyStore {
  private readonly logger = new Logger('KeyStore');
  private readonly observer: GatewayObserver;
  private readonly clock: Clock;
  private readonly known: LRUCache<string, MemoryEntry>;
  /** Apart from the known ones: a flood of invented keys must not push those out. */
  private readonly unknown: LRUCache<string, number>;
  private readonly flights = new Map<string, Flight>();
  /** Renewals under way: what was known of each key when they began. */
  private readonly renewals = new Set<Map<string, MemoryEntry | undefined>>();
  private vouchedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
    private readonly redis: RedisKeyCache,
    private readonly database: DatabaseService,
    private readonly keys: ApiKeyRepository,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.observer = observer ?? silentObserver;
    this.clock = clock ?? systemClock;
    this.known = new LRUCache({ max: settings.cacheMaxEntries });
    this.unknown = new LRUCache({ max: settings.cacheMaxEntries });
  }

  async find(keyHash: string): Promise<KeyLookup> {
    const lookup = await this.findInTiers(keyHash);
    this.observer.keyLookedUp(lookup.tier);
    return lookup;
  }

  /** Forgets keys that may have changed, and what look-ups now under way will find of them: not even an outage brings them back. */
  forget(keyHashes: Iterable<string>): void {
    for (const keyHash of keyHashes) {
      this.known.delete(keyHash);
      for (const renewal of this.renewals) renewal.delete(keyHash);
    }
    this.outdate(keyHashes);
  }

  has(keyHash: string): boolean {
    return this.known.has(keyHash);
  }

  /** Whether a look-up costs the stores nothing more: it may be answered from memory, be it with a no, or is under way. */
  remembers(keyHash: string): boolean {
    if (this.flights.has(keyHash)) return true;
    return this.known.has(keyHash) || (this.unknown.get(keyHash) ?? 0) > this.clock.monotonicMs();
  }

  knownHashes(): string[] {
    return [...this.known.keys()];
  }

  /**
   * Brings keys that changed up to date, and makes look-ups now under way begin anew. What is known of them is replaced
   * and never missing meanwhile: the database may go away at any moment. `keyHashes`: what shall be known afterwards.
   * All or nothing: `DatabaseUnavailableError` where the database cannot be asked. What was forgotten or looked up
   * meanwhile stays as that left it.
   */
  async renew(keyHashes: readonly string[]): Promise<void> {
    this.outdate(keyHashes);
    const renewal = new Map(keyHashes.map((keyHash) => [keyHash, this.known.peek(keyHash)]));
    const verifiedAtMs = this.clock.nowMs();
    const found = new Map<string, StoredKey>();
    this.renewals.add(renewal);
    try {
      for (let from = 0; from < keyHashes.length; from += MAX_RENEWED) {
        const some = await this.keys.findByHashes(keyHashes.slice(from, from + MAX_RENEWED));
        for (const [keyHash, key] of some) found.set(keyHash, key);
      }
    } finally {
      this.renewals.delete(renewal);
    }
    for (const [keyHash, before] of renewal) {
      if (this.known.peek(keyHash) !== before) continue;
      const key = found.get(keyHash);
      if (key === undefined) this.known.delete(keyHash);
      else this.keep(keyHash, { key, verifiedAtMs });
    }
  }

  /** What was found or missed until now may not be so any more; what is known is left to `renew`. */
  outdate(keyHashes: Iterable<string>): void {
    for (const keyHash of keyHashes) {
      this.unknown.delete(keyHash);
      const flight = this.flights.get(keyHash);
      if (flight === undefined) continue;
      flight.isOutdated = true;
      this.flights.delete(keyHash);
    }
  }

  /** The same of all keys there are. */
  outdateAll(): void {
    this.unknown.clear();
    this.outdate([...this.flights.keys()]);
  }

  /** Nothing in memory changes unnoticed until `untilMs` (monotonic): changes are heard of, or were just looked for. */
  vouch(untilMs: number): void {
    this.vouchedUntilMs = untilMs;
  }

  /** Writes what was found in the database to Redis, for the other replicas; nothing where it changed meanwhile. */
  async writeBack(keyHash: string): Promise<void> {
    const entry = this.known.peek(keyHash);
    if (entry === undefined || !this.redis.isAvailable) return;
    try {
      await this.redis.write(keyHash, entry);
    } catch (error) {
      this.logger.debug(`A key was not written to Redis: ${String(error)}`);
    }
  }

  private async findInTiers(keyHash: string): Promise<KeyLookup> {
    const nowMs = this.clock.monotonicMs();
    const entry = this.known.get(keyHash);
    if (entry !== undefined && this.isFresh(entry, nowMs)) return { key: entry.key, tier: 'memory' };
    if ((this.unknown.get(keyHash) ?? 0) > nowMs) return { key: null, tier: 'none' };
    if (entry === undefined || !this.isInGrace(entry)) return this.lookUp(keyHash);
    return this.lookUpOrServe(keyHash);
  }

  private async lookUpOrServe(keyHash: string): Promise<KeyLookup> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, null);
    });
    const looking = this.lookUp(keyHash);
    try {
      const first = await Promise.race([looking, patience]);
      if (first !== null) return first;
      // What was told to be forgotten meanwhile serves nobody; what was renewed serves as it is now.
      const current = this.known.peek(keyHash);
      return current === undefined ? await looking : { key: current.key, tier: 'memory' };
    } catch (error) {
      const isOutage = error instanceof AegisError && error.code === 'dependency_unavailable';
      const current = this.known.peek(keyHash);
      if (!isOutage || current === undefined) throw error;
      current.freshUntilMs = this.clock.monotonicMs() + STALE_PAUSE_MS;
      current.freshAloneUntilMs = current.freshUntilMs;
      return { key: current.key, tier: 'memory' };
    } finally {
      clearTimeout(timer);
    }
  }

  private async lookUp(keyHash: string): Promise<KeyLookup> {
    for (let lookups = 1; ; lookups += 1) {
      const flight = this.flights.get(keyHash) ?? this.takeOff(keyHash);
      const lookup = await flight.result;
      if (!flight.isOutdated || lookups === MAX_LOOKUPS) return lookup;
    }
  }

  private takeOff(keyHash: string): Flight {
    const flight: Flight = { isOutdated: false, result: Promise.resolve().then(() => this.ask(keyHash, flight)) };
    this.flights.set(keyHash, flight);
    const land = (): void => {
      if (this.flights.get(keyHash) === flight) this.flights.delete(keyHash);
    };
    flight.result.then(land, land);
    return flight;
  }

  private async ask(keyHash: string, flight: Flight): Promise<KeyLookup> {
    const shared = await this.askRedis(keyHash);
    if (shared !== null && this.clock.nowMs() - shared.verifiedAtMs <= this.settings.redisTtlMs) {
      this.remember(keyHash, shared, flight);
      return { key: shared.key, tier: 'redis' };
    }
    try {
      const verifiedAtMs = this.clock.nowMs();
      const key = await this.keys.findByHash(keyHash);
      if (key === null) {
        if (!flight.isOutdated) {
          this.known.delete(keyHash);
          this.unknown.set(keyHash, this.clock.monotonicMs() + this.settings.negativeTtlMs);
        }
        return { key: null, tier: 'none' };
      }
      this.remember(keyHash, { key, verifiedAtMs }, flight);
      return { key, tier: 'database' };
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error;
      if (shared !== null && this.isInGrace(shared)) {
        this.remember(keyHash, shared, flight);
        return { key: shared.key, tier: 'redis' };
      }
      throw new AegisError(
        'dependency_unavailable',
        'The API key cannot be checked at the moment. Try again shortly.',
        {
          retryAfterMs: 2_000,
          cause: error,
        },
      );
    }
  }

  private async askRedis(keyHash: string): Promise<DatedKey | null> {
    if (!this.redis.isAvailable) return null;
    try {
      return await this.redis.find(keyHash, this.clock.nowMs());
    } catch (error) {
      this.logger.debug(`A key was not read from Redis: ${String(error)}`);
      return null;
    }
  }

  private remember(keyHash: string, dated: DatedKey, flight: Flight): void {
    if (!flight.isOutdated) this.keep(keyHash, dated);
  }

  private keep(keyHash: string, dated: DatedKey): void {
    const ttlMs = this.database.isAvailable ? this.settings.cacheTtlMs : STALE_PAUSE_MS;
    const nowMs = this.clock.monotonicMs();
    const freshAloneUntilMs = nowMs + Math.min(ttlMs, ALONE_TTL_MS);
    this.known.set(keyHash, { ...dated, freshUntilMs: nowMs + ttlMs, freshAloneUntilMs });
  }

  private isFresh(entry: MemoryEntry, nowMs: number): boolean {
    return nowMs < entry.freshAloneUntilMs || (nowMs < entry.freshUntilMs && nowMs < this.vouchedUntilMs);
  }

  private isInGrace(dated: DatedKey): boolean {
    return this.clock.nowMs() - dated.verifiedAtMs <= this.settings.staleGraceMs;
  }
}
