import { Inject, Injectable, Logger } from '@nestjs/common';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { DatabaseService } from '../database/database.service.js';
import { AegisError } from '../domain/errors.js';
import type { KeyLookup } from '../domain/key-store.js';
import { hashApiKey } from './api-key.js';
import type { AuthSettings } from './auth-settings.js';
import { AUTH_SETTINGS } from './auth-settings.js';
import { RedisKeyCache } from './redis-key.cache.js';
import { TieredKeyStore } from './tiered-key.store.js';

export interface FoundKey extends KeyLookup {
  /** The hash that the stores know it by. */
  readonly keyHash: string;
}

/**
 * Finds a key by what the pepper makes of it; where that finds nothing, by what the previous pepper made of it. A key
 * found so is hashed anew, off the request's way.
 */
@Injectable()
export class KeyFinder {
  private readonly logger = new Logger('KeyFinder');
  private readonly underWay = new Set<string>();

  constructor(
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
    private readonly store: TieredKeyStore,
    private readonly database: DatabaseService,
    private readonly keys: ApiKeyRepository,
    private readonly shared: RedisKeyCache,
  ) {}

  /**
   * `key`: well-formed. `beforeAsking` is called first where nobody in this process remembers it; what that throws is
   * thrown. Throws `AegisError` `dependency_unavailable` where no store can tell.
   */
  async find(key: string, beforeAsking: () => void = () => undefined): Promise<FoundKey> {
    const keyHash = hashApiKey(key, this.settings.pepper);
    const { previousPepper } = this.settings;
    if (previousPepper === null) {
      if (!this.store.remembers(keyHash)) beforeAsking();
      return { ...(await this.store.find(keyHash)), keyHash };
    }
    const previousHash = hashApiKey(key, previousPepper);
    if (!this.store.remembers(keyHash) && !this.store.remembers(previousHash)) beforeAsking();

    const lookup = await this.store.find(keyHash).catch(toOutage);
    if (!(lookup instanceof AegisError) && lookup.key !== null) return { ...lookup, keyHash };
    // A key that is known by its old hash is served while nobody can say whether it has a new one.
    const previous = await this.store.find(previousHash);
    if (previous.key !== null) {
      if (!(lookup instanceof AegisError)) void this.rehash(previousHash, keyHash);
      return { ...previous, keyHash: previousHash };
    }
    if (lookup instanceof AegisError) throw lookup;
    return { ...lookup, keyHash };
  }

  /** Of several replicas one changes the row; each asks anew what it knew. Never throws. */
  private async rehash(fromHash: string, toHash: string): Promise<void> {
    if (this.underWay.has(fromHash) || !this.database.isAvailable) return;
    this.underWay.add(fromHash);
    try {
      await this.keys.rehash(fromHash, toHash);
      await this.store.renew([fromHash, toHash]);
      if (this.shared.isAvailable) await this.shared.announce([fromHash, toHash]);
    } catch (error) {
      this.logger.debug(`A key was not hashed anew: ${error instanceof Error ? error.name : 'unknown'}`);
    } finally {
      this.underWay.delete(fromHash);
    }
  }
}

function toOutage(thrown: unknown): AegisError {
  if (thrown instanceof AegisError && thrown.code === 'dependency_unavailable') return thrown;
  throw thrown;
}
