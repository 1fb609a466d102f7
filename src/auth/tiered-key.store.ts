import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseUnavailableError } from '../database/database.errors.js';
import { DatabaseService } from '../database/database.service.js';
import type { Clock } from '../domain/clock.js';
import { systemClock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import type { KeyLookup, KeyStore } from '../domain/key-store.js';
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

  /** Forgets keys that changed, and what look-ups now under way will find of them. */
  forget(keyHashes: Iterable<string>): void {
    for (const keyHash of keyHashes) {
      this.known.delete(keyHash);
      this.unknown.delete(keyHash);
      const flight = this.flights.get(keyHash);
      if (flight === undefined) continue;
      flight.isOutdated = true;
      this.flights.delete(keyHash);
    }
  }

  /** Forgets everything, where nobody can say what changed. */
  forgetAll(): void {
    this.known.clear();
    this.unknown.clear();
    this.forget([...this.flights.keys()]);
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
    return this.lookUpOrServe(keyHash, entry);
  }

  private async lookUpOrServe(keyHash: string, entry: MemoryEntry): Promise<KeyLookup> {
    const known: KeyLookup = { key: entry.key, tier: 'memory' };
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<KeyLookup>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, known);
    });
    const looking = this.lookUp(keyHash);
    try {
      const first = await Promise.race([looking, patience]);
      // What was told to be forgotten meanwhile serves nobody.
      return first === known && this.known.peek(keyHash) !== entry ? await looking : first;
    } catch (error) {
      const isOutage = error instanceof AegisError && error.code === 'dependency_unavailable';
      if (!isOutage || this.known.peek(keyHash) !== entry) throw error;
      entry.freshUntilMs = this.clock.monotonicMs() + STALE_PAUSE_MS;
      entry.freshAloneUntilMs = entry.freshUntilMs;
      return known;
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
    if (flight.isOutdated) return;
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
