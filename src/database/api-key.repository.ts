import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager, QueryDeepPartialEntity, SelectQueryBuilder } from 'typeorm';
import type { StoredKey } from '../domain/key-store.js';
import type { Principal } from '../domain/principal.js';
import { DatabaseService } from './database.service.js';
import { ApiKeyEntity } from './entities/api-key.entity.js';

/** What a key shares with the others of its team and organization, and that is not set with it. */
type SharedField = 'teamBudgetNanoUsd' | 'teamBudgetWindow' | 'organizationBudgetNanoUsd' | 'organizationBudgetWindow';

/** What a new key may do, and whose it is. The organization and team are made where they are new. */
export type NewApiKey = Omit<Principal, 'keyId' | SharedField> & { readonly keyHash: string };

/** A key as `keys list` shows it. */
export interface ApiKeyRecord extends StoredKey {
  readonly keyHash: string;
  /** What it was hashed to with the pepper before; caches may know it by that. */
  readonly previousKeyHash: string | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
  readonly revokedReason: string | null;
}

/** What may change of a key while it lives. What is left out stays. */
export type KeyChanges = Partial<
  Omit<Principal, 'keyId' | 'keyPrefix' | 'organization' | 'team' | SharedField> & {
    readonly revokedReason: string | null;
  }
>;

export interface ChangedKeys {
  /** Present and previous hashes. */
  readonly hashes: readonly string[];
  /** The oldest transaction that was still under way: every one before it has been seen. The next question starts here. */
  readonly horizon: bigint;
  /** Which run of the server answered: another one may have lost what an earlier one had told. */
  readonly serverRun: string;
}

/** All statements about keys. Every method throws `DatabaseUnavailableError` where the database cannot be asked. */
@Injectable()
export class ApiKeyRepository {
  constructor(private readonly database: DatabaseService) {}

  /** By its hash, or by the one it had under the pepper before. One statement, on indexes. */
  async findByHash(keyHash: string): Promise<StoredKey | null> {
    const entity = await this.database.run((manager) =>
      selectKeys(manager).where('key.keyHash = :keyHash OR key.previousKeyHash = :keyHash', { keyHash }).getOne(),
    );
    return entity === null ? null : toRecord(entity);
  }

  /** By present or previous hash, in one statement; those that do not exist are missing. */
  async findByHashes(keyHashes: readonly string[]): Promise<ReadonlyMap<string, StoredKey>> {
    const entities = await this.database.run((manager) =>
      selectKeys(manager)
        .where('key.keyHash = ANY(:keyHashes) OR key.previousKeyHash = ANY(:keyHashes)', { keyHashes })
        .getMany(),
    );
    const found = new Map<string, StoredKey>();
    for (const record of entities.map(toRecord)) {
      found.set(record.keyHash, record);
      if (record.previousKeyHash !== null) found.set(record.previousKeyHash, record);
    }
    return found;
  }

  /** By id, in one statement; those that do not exist are missing. */
  async findByIds(keyIds: readonly string[]): Promise<ReadonlyMap<string, ApiKeyRecord>> {
    const entities = await this.database.run((manager) =>
      selectKeys(manager).where('key.id = ANY(:keyIds::uuid[])', { keyIds }).getMany(),
    );
    return new Map(entities.map((entity) => [entity.id, toRecord(entity)]));
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

  /**
   * Changes a key. `decide` sees it as it is, must not throw, and nobody else changes it until the change is made; no
   * changes are fine. Null where there is no such key.
   */
  update(keyId: string, decide: (current: ApiKeyRecord) => KeyChanges): Promise<ApiKeyRecord | null> {
    return this.database.run((manager) =>
      manager.transaction(async (transaction) => {
        await transaction.query('SELECT 1 FROM api_key WHERE id = $1 FOR UPDATE', [keyId]);
        const find = (): Promise<ApiKeyEntity | null> =>
          selectKeys(transaction).where('key.id = :keyId', { keyId }).getOne();
        const current = await find();
        if (current === null) return null;
        const columns = toColumns(decide(toRecord(current)));
        if (Object.keys(columns).length === 0) return toRecord(current);
        await transaction.update(ApiKeyEntity, { id: keyId }, columns);
        const changed = await find();
        return changed && toRecord(changed);
      }),
    );
  }

  /** A key gets the hash that another pepper makes of it. False where it has it already. */
  rehash(fromHash: string, toHash: string): Promise<boolean> {
    return this.database.run(async (manager) => {
      const result = await manager.update(
        ApiKeyEntity,
        { keyHash: fromHash },
        { keyHash: toHash, previousKeyHash: fromHash },
      );
      return result.affected === 1;
    });
  }

  /**
   * Keys changed by transactions that `since`, the horizon of an earlier answer, did not see the end of; and those that
   * changed in the last `windowMs`. Transactions may end in any order: none is missed, some are told twice.
   */
  findChanged(since: bigint | null, windowMs: number): Promise<ChangedKeys> {
    return this.database.run(async (manager) => {
      const rows: { hashes: string[] | null; horizon: string; server_run: string }[] = await manager.query(
        `SELECT pg_snapshot_xmin(snapshot)::text AS horizon, pg_postmaster_start_time()::text AS server_run, (
           SELECT array_agg(hash) FROM api_key, LATERAL (VALUES (key_hash), (previous_key_hash)) AS known (hash)
           WHERE hash IS NOT NULL AND (
             changed_in >= $1::text::xid8 AND changed_in < pg_snapshot_xmax(snapshot)
             OR changed_at > now() - $2 * interval '1 millisecond')
         ) AS hashes
         FROM pg_current_snapshot() AS snapshot`,
        [since?.toString() ?? null, windowMs],
      );
      const [row] = rows;
      if (row === undefined) throw new Error('PostgreSQL returned no row for a plain SELECT');
      return { hashes: row.hashes ?? [], horizon: BigInt(row.horizon), serverRun: row.server_run };
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

function toColumns(changes: KeyChanges): QueryDeepPartialEntity<ApiKeyEntity> {
  const { keyName, user, allowedModels, budgetNanoUsd, expiresAtMs, ...same } = changes;
  return {
    ...same,
    ...(keyName !== undefined && { name: keyName }),
    ...(user !== undefined && { userName: user }),
    ...(allowedModels !== undefined && { allowedModels: allowedModels && [...allowedModels] }),
    ...(budgetNanoUsd !== undefined && { budgetNanoUsd: budgetNanoUsd?.toString() ?? null }),
    ...(expiresAtMs !== undefined && { expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs) }),
  };
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
      budgetNanoUsd: findBudget(entity.budgetNanoUsd),
      budgetWindow: entity.budgetWindow,
      teamBudgetNanoUsd: findBudget(entity.team.budgetNanoUsd),
      teamBudgetWindow: entity.team.budgetWindow,
      organizationBudgetNanoUsd: findBudget(entity.team.organization.budgetNanoUsd),
      organizationBudgetWindow: entity.team.organization.budgetWindow,
      expiresAtMs: entity.expiresAt?.getTime() ?? null,
      mayExplain: entity.mayExplain,
    },
    status: entity.status,
    keyHash: entity.keyHash,
    previousKeyHash: entity.previousKeyHash,
    createdAt: entity.createdAt,
    lastUsedAt: entity.lastUsedAt,
    revokedAt: entity.revokedAt,
    revokedReason: entity.revokedReason,
  };
}

/** The driver gives 64-bit integers as text. */
function findBudget(nanoUsd: string | null): bigint | null {
  return nanoUsd === null ? null : BigInt(nanoUsd);
}
