import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import type { BudgetDemand } from './limit-store.js';

/** What the ledger says was spent. Throws `DatabaseUnavailableError` where it cannot be asked. */
@Injectable()
export class SpendingRepository {
  constructor(private readonly database: DatabaseService) {}

  /** Nano-USD of all requests that began within the budget's window, and before `untilMs` (since 1970). */
  sum(organization: string, { scope, subject, startMs, endMs }: BudgetDemand, untilMs: number): Promise<bigint> {
    const window = [new Date(startMs), new Date(Math.min(endMs, untilMs))];
    switch (scope) {
      case 'key':
        return this.ask('key_id = $3', [...window, subject]);
      case 'team':
        return this.ask('organization = $3 AND team = $4', [...window, organization, subject]);
      case 'organization':
        return this.ask('organization = $3', [...window, organization]);
      default:
        return scope satisfies never;
    }
  }

  private async ask(condition: string, values: unknown[]): Promise<bigint> {
    const rows: { spent: string }[] = await this.database.run((manager) =>
      manager.query(
        `SELECT coalesce(sum(cost_nano_usd), 0)::text AS spent FROM usage_request
         WHERE started_at >= $1 AND started_at < $2 AND ${condition}`,
        values,
      ),
    );
    return BigInt(rows[0]?.spent ?? '0');
  }
}
