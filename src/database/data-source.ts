import { DataSource } from 'typeorm';
import { CreateOrganizationsAndTeams1790000000000 } from '../../migrations/1790000000000-create-organizations-and-teams.js';
import { CreateApiKeys1790000000001 } from '../../migrations/1790000000001-create-api-keys.js';
import { LetKeysExplain1790000000002 } from '../../migrations/1790000000002-let-keys-explain.js';
import { SequenceKeyChanges1790000000003 } from '../../migrations/1790000000003-sequence-key-changes.js';
import { CreateUsage1790000000010 } from '../../migrations/1790000000010-create-usage.js';
import { BudgetTeamsAndOrganizations1790000000020 } from '../../migrations/1790000000020-budget-teams-and-organizations.js';
import { CreateAudit1790000000030 } from '../../migrations/1790000000030-create-audit.js';
import type { DatabaseAccess } from './database-access.js';
import { buildDeadlineClient } from './deadline-client.js';
import { ApiKeyEntity } from './entities/api-key.entity.js';
import { OrganizationEntity } from './entities/organization.entity.js';
import { TeamEntity } from './entities/team.entity.js';
import { UsageAttemptEntity } from './entities/usage-attempt.entity.js';
import { UsageRequestEntity } from './entities/usage-request.entity.js';
import { silentLogger } from './silent-logger.js';

/** In order. Listed one by one: what runs is what the compiler saw, whatever lies in a folder. */
export const MIGRATIONS = [
  CreateOrganizationsAndTeams1790000000000,
  CreateApiKeys1790000000001,
  LetKeysExplain1790000000002,
  SequenceKeyChanges1790000000003,
  CreateUsage1790000000010,
  BudgetTeamsAndOrganizations1790000000020,
  CreateAudit1790000000030,
];

export interface DataSourceOptions {
  readonly access: DatabaseAccess;
  readonly poolSize: number;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number;
  /** Told of an idle connection's end; the pool replaces it by itself. */
  readonly onConnectionLost?: (error: Error) => void;
}

/** The one description of the database, for the gateway, the command line and tests. Not yet connected. */
export function buildDataSource(options: DataSourceOptions): DataSource {
  return new DataSource({
    type: 'postgres',
    url: options.access.url,
    applicationName: 'aegis',
    entities: [OrganizationEntity, TeamEntity, ApiKeyEntity, UsageRequestEntity, UsageAttemptEntity],
    migrations: MIGRATIONS,
    migrationsTableName: 'schema_migration',
    installExtensions: false,
    synchronize: false,
    logger: silentLogger,
    poolSize: options.poolSize,
    connectTimeoutMS: options.connectTimeoutMs,
    poolErrorHandler: (error: Error) => options.onConnectionLost?.(error),
    extra: {
      Client: buildDeadlineClient(options.queryTimeoutMs, options.access),
      keepAlive: true,
      idleTimeoutMillis: 30_000,
    },
  });
}
