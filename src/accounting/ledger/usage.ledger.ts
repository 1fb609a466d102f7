import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import type { UsageRecord } from '../../domain/accounting.js';
import { GATEWAY_DIED } from '../journal/orphans.js';
import { ATTEMPT_COLUMNS, REQUEST_COLUMNS, toAttemptRows, toRequestRow } from './usage-rows.js';

/**
 * Both tables in one statement, hence all or nothing in one round trip. A record that is there already changes
 * nothing, and brings no attempts: so a batch may be sent again whenever it is not certain that it arrived. Except
 * where a gateway was taken for dead that had merely stopped: what it then says itself is true.
 */
const INSERT = `
  WITH fresh AS (
    INSERT INTO usage_request (${Object.keys(REQUEST_COLUMNS).join(', ')})
    SELECT ${Object.keys(REQUEST_COLUMNS).join(', ')}
    FROM json_to_recordset($1::json) AS given (${typed(REQUEST_COLUMNS)})
    ON CONFLICT (id) DO UPDATE SET ${takeOver(REQUEST_COLUMNS)}
    WHERE usage_request.code = '${GATEWAY_DIED}' AND excluded.code IS DISTINCT FROM '${GATEWAY_DIED}'
    RETURNING id
  ), attempts AS (
    INSERT INTO usage_attempt (${Object.keys(ATTEMPT_COLUMNS).join(', ')})
    SELECT DISTINCT ON (usage_request_id, position) ${Object.keys(ATTEMPT_COLUMNS).join(', ')}
    FROM json_to_recordset($2::json) AS given (${typed(ATTEMPT_COLUMNS)})
    WHERE usage_request_id IN (SELECT id FROM fresh)
    ON CONFLICT (usage_request_id, position) DO UPDATE SET ${takeOver(ATTEMPT_COLUMNS)}
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
    const single = withoutRepeats(records);
    const requests = JSON.stringify(single.map(toRequestRow));
    const attempts = JSON.stringify(single.flatMap(toAttemptRows));
    const rows: { fresh: number }[] = await this.database.run((manager) => manager.query(INSERT, [requests, attempts]));
    return rows[0]?.fresh ?? 0;
  }
}

/** One of each id; what an heir said of a request gives way to what its own gateway did. */
function withoutRepeats(records: readonly UsageRecord[]): UsageRecord[] {
  const single = new Map<string, UsageRecord>();
  for (const record of records) {
    const known = single.get(record.id);
    if (!known || known.code === GATEWAY_DIED) single.set(record.id, record);
  }
  return [...single.values()];
}

function takeOver(columns: Readonly<Record<string, string>>): string {
  return Object.keys(columns)
    .map((name) => `${name} = excluded.${name}`)
    .join(', ');
}

function typed(columns: Readonly<Record<string, string>>): string {
  return Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');
}
