import { Inject, Injectable } from '@nestjs/common';
import { generateApiKey, hashApiKey, isWellFormedKey } from '../auth/api-key.js';
import type { AuthSettings } from '../auth/auth-settings.js';
import { AUTH_SETTINGS } from '../auth/auth-settings.js';
import { RedisKeyCache } from '../auth/redis-key.cache.js';
import type { ApiKeyRecord, NewApiKey } from '../database/api-key.repository.js';
import { ApiKeyRepository } from '../database/api-key.repository.js';
import { RedisService } from '../redis/redis.service.js';
import type { KeyUpdate } from './key-update.js';

/** What a key is to be; the rest is made. */
export type KeyOrder = Omit<NewApiKey, 'keyHash' | 'keyPrefix'>;

export interface MintedKey {
  /** The secret: shown once, kept nowhere. */
  readonly key: string;
  readonly record: ApiKeyRecord;
}

/** Makes, finds and ends keys, and tells running gateways. */
@Injectable()
export class KeyAdministration {
  constructor(
    @Inject(AUTH_SETTINGS) private readonly settings: AuthSettings,
    private readonly keys: ApiKeyRepository,
    private readonly redis: RedisService,
    private readonly shared: RedisKeyCache,
  ) {}

  async mint(environment: string, order: KeyOrder): Promise<MintedKey> {
    const { key, prefix } = generateApiKey(environment);
    const keyHash = hashApiKey(key, this.settings.pepper);
    const record = await this.keys.create({ ...order, keyHash, keyPrefix: prefix });
    await this.tell(record);
    return { key, record };
  }

  list(filter: { readonly organization?: string; readonly team?: string }): Promise<readonly ApiKeyRecord[]> {
    return this.keys.list(filter);
  }

  /** By id, display prefix, or the key itself. */
  async find(reference: string): Promise<readonly ApiKeyRecord[]> {
    if (!isWellFormedKey(reference)) return this.keys.findByReference(reference);
    for (const pepper of [this.settings.pepper, this.settings.previousPepper]) {
      const found = pepper === null ? null : await this.keys.findByHash(hashApiKey(reference, pepper));
      if (found !== null) return this.keys.findByReference(found.principal.keyId);
    }
    return [];
  }

  /** The key as it is then, and the problems that kept it from changing; `told`: whether running gateways know already. */
  async update(
    record: ApiKeyRecord,
    update: KeyUpdate,
  ): Promise<{ record: ApiKeyRecord; problems: readonly string[]; told: boolean }> {
    let problems: readonly string[] = [];
    const changed = await this.keys.update(record.principal.keyId, (current) => {
      const decided = update(current);
      problems = decided.problems;
      return problems.length === 0 ? decided.changes : {};
    });
    const now = changed ?? record;
    return { record: now, problems, told: problems.length > 0 || (await this.tell(now)) };
  }

  /** False where it was revoked before. `told`: whether running gateways know already. */
  async revoke(record: ApiKeyRecord, reason: string | null): Promise<{ revoked: boolean; told: boolean }> {
    const revoked = await this.keys.revoke(record.principal.keyId, reason);
    return { revoked, told: await this.tell(record) };
  }

  /** A new key like the old one, which ends at `endsAt` or at once. Null where the old one has an end already: revoked, expired or rotated before. */
  async rotate(record: ApiKeyRecord, endsAt: Date | null): Promise<(MintedKey & { readonly told: boolean }) | null> {
    const { principal } = record;
    const { key, prefix } = generateApiKey(principal.keyPrefix.split('-')[1] ?? '');
    const keyHash = hashApiKey(key, this.settings.pepper);
    const created = await this.keys.rotate(principal.keyId, { ...principal, keyHash, keyPrefix: prefix }, endsAt);
    if (created === null) return null;
    await this.tell(created);
    return { key, record: created, told: await this.tell(record) };
  }

  /** Without Redis, or where it is away, gateways find out by asking the database. */
  private async tell({ keyHash, previousKeyHash }: ApiKeyRecord): Promise<boolean> {
    if (!this.redis.isAvailable) return false;
    try {
      await this.shared.announce(previousKeyHash === null ? [keyHash] : [keyHash, previousKeyHash]);
      return true;
    } catch {
      return false;
    }
  }
}
