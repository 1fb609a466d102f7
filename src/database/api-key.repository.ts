import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import type { StoredKey } from '../domain/key-store.js';
import type { Principal } from '../domain/principal.js';
import { DatabaseService } from './database.service.js';
import { ApiKeyEntity } from './entities/api-key.entity.js';

/** What a new key may do, and whose it is. The organization and team are made where they are new. */
export type NewApiKey = Omit<Principal, 'keyId'> & { readonly keyHash: string };

/** A key as `keys list` shows it. */
export interface ApiKeyRecord extends StoredKey {
  readonly keyHash: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
  readonly revokedReason: string | null;
}

export interface ChangedKeys {
  readonly hashes: readonly string[];
  /** The database's clock when it answered: where the next question starts from. */
  readonly asOf: Date;
}

/** All statements about keys. Every method throws `DatabaseUnavailableError` where the database cannot be asked. */
@Injectable()
export class ApiKeyRepository {
  constructor(private readonly database: DatabaseService) {}

  /** One statement, on an index. */
  async findByHash(keyHash: string): Promise<StoredKey | null> {
    const entity = await this.database.run((manager) =>
      selectKeys(manager).where('key.keyHash = :keyHash', { keyHash }).getOne(),
    );
    return entity === null ? null : toRecord(entity);
  }

  /** By id, or by display prefix; several may share a prefix. Newest first. */
  async findByReference(reference: string): Promise<readonly ApiKeyRecord[]> {
    const entities = await this.database.run((manager) =>
      selectKeys(manager)
        .where('key.id::text = :reference OR key.keyPrefix = :reference', { reference })
        .orderBy('key.createdAt', 'DESC')
        .getMany(),
    );
    return entities.map(toRecord);
  }

  /** Newest first. */
  async list(
    filter: { readonly organization?: string; readonly team?: string } = {},
  ): Promise<readonly ApiKeyRecord[]> {
    const entities = await this.database.run((manager) => {
      const query = selectKeys(manager).orderBy('key.createdAt', 'DESC').addOrderBy('key.id');
      if (filter.organization !== undefined) query.andWhere('organization.name = :organization', filter);
      if (filter.team !== undefined) query.andWhere('team.name = :team', filter);
      return query.getMany();
    });
    return entities.map(toRecord);
  }

  create(key: NewApiKey): Promise<ApiKeyRecord> {
    return this.database.run((manager) => manager.transaction((transaction) => insertKey(transaction, key)));
  }

  /** False where it was revoked before. */
  revoke(keyId: string, reason: string | null): Promise<boolean> {
    return this.database.run((manager) => revokeKey(manager, keyId, reason));
  }

  /**
   * A new key in the place of an old one, both or neither. The old one ends at once, or at `endsAt`. Null where the
   * old one is revoked or expired, or was rotated before: its successor would inherit its end.
   */
  rotate(keyId: string, replacement: NewApiKey, endsAt: Date | null): Promise<ApiKeyRecord | null> {
    return this.database.run((manager) =>
      manager.transaction(async (transaction) => {
        if (!(await lockCurrentKey(transaction, keyId))) return null;
        const created = await insertKey(transaction, replacement);
        const reason = `rotated to ${created.principal.keyId}`;
        if (endsAt === null) await revokeKey(transaction, keyId, reason);
        else await expireKey(transaction, keyId, endsAt, reason);
        return created;
      }),
    );
  }

  /** Hashes of keys that changed in the `windowMs` before `since` or after it; null = now. */
  findChanged(since: Date | null, windowMs: number): Promise<ChangedKeys> {
    return this.database.run(async (manager) => {
      const rows: { hashes: string[] | null; as_of: Date }[] = await manager.query(
        `SELECT now() AS as_of, (
           SELECT array_agg(key_hash) FROM api_key
           WHERE changed_at > coalesce($1::timestamptz, now()) - $2 * interval '1 millisecond'
         ) AS hashes`,
        [since, windowMs],
      );
      const [row] = rows;
      if (row === undefined) throw new Error('PostgreSQL returned no row for a plain SELECT');
      return { hashes: row.hashes ?? [], asOf: row.as_of };
    });
  }

  /** One statement for all: key id → last use in milliseconds since 1970. Never moves a time back. */
  async recordUses(uses: ReadonlyMap<string, number>): Promise<void> {
    if (uses.size === 0) return;
    await this.database.run((manager) =>
      manager.query(
        `UPDATE api_key SET last_used_at = use.at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS use (id, at)
         WHERE api_key.id = use.id AND (last_used_at IS NULL OR last_used_at < use.at)`,
        [[...uses.keys()], [...uses.values()].map((atMs) => new Date(atMs))],
      ),
    );
  }
}

function selectKeys(manager: EntityManager): SelectQueryBuilder<ApiKeyEntity> {
  return manager
    .createQueryBuilder(ApiKeyEntity, 'key')
    .innerJoinAndSelect('key.team', 'team')
    .innerJoinAndSelect('team.organization', 'organization');
}

async function insertKey(manager: EntityManager, key: NewApiKey): Promise<ApiKeyRecord> {
  const organizationId = await upsert(
    manager,
    'INSERT INTO organization (id, name) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id',
    [randomUUID(), key.organization],
  );
  const teamId = await upsert(
    manager,
    `INSERT INTO team (id, organization_id, name) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id, name) DO UPDATE SET name = excluded.name RETURNING id`,
    [randomUUID(), organizationId, key.team],
  );
  const id = randomUUID();
  const now = new Date();
  await manager.insert(ApiKeyEntity, {
    id,
    keyHash: key.keyHash,
    keyPrefix: key.keyPrefix,
    team: { id: teamId },
    userName: key.user,
    name: key.keyName,
    status: 'active',
    defaultClassification: key.defaultClassification,
    maxClassification: key.maxClassification,
    allowedModels: key.allowedModels === null ? null : [...key.allowedModels],
    rpmLimit: key.rpmLimit,
    tpmLimit: key.tpmLimit,
    maxParallelRequests: key.maxParallelRequests,
    budgetNanoUsd: key.budgetNanoUsd?.toString() ?? null,
    budgetWindow: key.budgetWindow,
    mayExplain: key.mayExplain,
    createdAt: now,
    changedAt: () => 'clock_timestamp()',
    expiresAt: key.expiresAtMs === null ? null : new Date(key.expiresAtMs),
  });
  return toRecord(await selectKeys(manager).where('key.id = :id', { id }).getOneOrFail());
}

async function upsert(manager: EntityManager, statement: string, values: readonly string[]): Promise<string> {
  const rows: { id: string }[] = await manager.query(statement, [...values]);
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL returned no row for an upsert');
  return row.id;
}

async function revokeKey(manager: EntityManager, keyId: string, reason: string | null): Promise<boolean> {
  const result = await manager.update(
    ApiKeyEntity,
    { id: keyId, status: 'active' },
    {
      status: 'revoked',
      revokedAt: () => 'clock_timestamp()',
      revokedReason: reason,
      changedAt: () => 'clock_timestamp()',
    },
  );
  return result.affected === 1;
}

async function expireKey(manager: EntityManager, keyId: string, endsAt: Date, reason: string): Promise<void> {
  await manager
    .createQueryBuilder()
    .update(ApiKeyEntity)
    .set({
      expiresAt: () => 'least(expires_at, :endsAt)',
      revokedReason: reason,
      changedAt: () => 'clock_timestamp()',
    })
    .where('id = :keyId AND status = :status', { keyId, status: 'active', endsAt })
    .execute();
}

/** Whether a key has no end but the one it was made with. Nobody else gives it one until the transaction is over. */
async function lockCurrentKey(manager: EntityManager, keyId: string): Promise<boolean> {
  const rows: unknown[] = await manager.query(
    `SELECT 1 FROM api_key
     WHERE id = $1 AND status = 'active' AND revoked_reason IS NULL
       AND (expires_at IS NULL OR expires_at > clock_timestamp())
     FOR UPDATE`,
    [keyId],
  );
  return rows.length > 0;
}

function toRecord(entity: ApiKeyEntity): ApiKeyRecord {
  return {
    principal: {
      keyId: entity.id,
      keyPrefix: entity.keyPrefix,
      keyName: entity.name,
      organization: entity.team.organization.name,
      team: entity.team.name,
      user: entity.userName,
      defaultClassification: entity.defaultClassification,
      maxClassification: entity.maxClassification,
      allowedModels: entity.allowedModels,
      rpmLimit: entity.rpmLimit,
      tpmLimit: entity.tpmLimit,
      maxParallelRequests: entity.maxParallelRequests,
      budgetNanoUsd: entity.budgetNanoUsd === null ? null : BigInt(entity.budgetNanoUsd),
      budgetWindow: entity.budgetWindow,
      expiresAtMs: entity.expiresAt?.getTime() ?? null,
      mayExplain: entity.mayExplain,
    },
    status: entity.status,
    keyHash: entity.keyHash,
    createdAt: entity.createdAt,
    lastUsedAt: entity.lastUsedAt,
    revokedAt: entity.revokedAt,
    revokedReason: entity.revokedReason,
  };
}
