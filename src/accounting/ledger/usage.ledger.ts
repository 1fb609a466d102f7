import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import type { UsageRecord } from '../../domain/accounting.js';
import { ATTEMPT_COLUMNS, REQUEST_COLUMNS, toAttemptRows, toRequestRow } from './usage-rows.js';

/**
 * Both tables in one statement, hence all or nothing in one round trip. A record that is there already changes
 * nothing, and brings no attempts: so a batch may be sent again whenever it is not certain that it arrived.
 */
const INSERT = `
  WITH fresh AS (
    INSERT INTO usage_request (${Object.keys(REQUEST_COLUMNS).join(', ')})
    SELECT ${Object.keys(REQUEST_COLUMNS).join(', ')}
    FROM json_to_recordset($1::json) AS given (${typed(REQUEST_COLUMNS)})
    ON CONFLICT (id) DO NOTHING
    RETURNING id
  ), attempts AS (
    INSERT INTO usage_attempt (${Object.keys(ATTEMPT_COLUMNS).join(', ')})
    SELECT DISTINCT ON (usage_request_id, position) ${Object.keys(ATTEMPT_COLUMNS).join(', ')}
    FROM json_to_recordset($2::json) AS given (${typed(ATTEMPT_COLUMNS)})
    WHERE usage_request_id IN (SELECT id FROM fresh)
  )
  SELECT count(*)::integer AS fresh FROM fresh`;

/** Usage as PostgreSQL keeps it: one row a request, one an attempt. */
@Injectable()
export class UsageLedger {
  constructor(private readonly database: DatabaseService) {}

  get isAvailable(): boolean {
    return this.database.isAvailable;
  }

  /** How many of the records were new. Throws `DatabaseUnavailableError`, or what PostgreSQL has against the rows. */
  async insert(records: readonly UsageRecord[]): Promise<number> {
    const requests = JSON.stringify(records.map(toRequestRow));
    const attempts = JSON.stringify(records.flatMap(toAttemptRows));
    const rows: { fresh: number }[] = await this.database.run((manager) => manager.query(INSERT, [requests, attempts]));
    return rows[0]?.fresh ?? 0;
  }
}

function typed(columns: Readonly<Record<string, string>>): string {
  return Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');
}
