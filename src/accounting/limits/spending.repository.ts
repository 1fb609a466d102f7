import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import type { BudgetDemand } from './limit-store.js';

/** Whose spending, and when. */
export type SpendingWindow = Pick<BudgetDemand, 'scope' | 'subject' | 'startMs' | 'endMs'>;

const SUM = 'coalesce(sum(cost_nano_usd), 0)::text AS spent';

/** What the ledger says was spent. Throws `DatabaseUnavailableError` where it cannot be asked. */
@Injectable()
export class SpendingRepository {
  constructor(private readonly database: DatabaseService) {}

  /** Nano-USD of all requests that began within the budget's window. */
  sum(organization: string, window: SpendingWindow): Promise<bigint> {
    const { condition, values } = conditionOf(organization, window);
    return this.ask(`SELECT ${SUM} FROM usage_request WHERE ${condition}`, values);
  }

  /**
   * The same of those that had ended before `endedBeforeMs` (since 1970). What began before and ended later is for the
   * counter that began at that moment to count, and may be in the ledger by the time that it is asked.
   */
  sumEnded(organization: string, window: SpendingWindow, endedBeforeMs: number): Promise<bigint> {
    const { condition, values } = conditionOf(organization, {
      ...window,
      endMs: Math.min(window.endMs, endedBeforeMs),
    });
    const ended = `started_at + duration_ms * interval '1 millisecond' < $${values.length + 1}`;
    return this.ask(`SELECT ${SUM} FROM usage_request WHERE ${condition} AND ${ended}`, [
      ...values,
      new Date(endedBeforeMs),
    ]);
  }

  /** Nano-USD of the `count` requests within the window that cost most. */
  sumOfDearest(organization: string, window: SpendingWindow, count: number): Promise<bigint> {
    const { condition, values } = conditionOf(organization, window);
    return this.ask(
      `SELECT ${SUM} FROM (
         SELECT cost_nano_usd FROM usage_request WHERE ${condition} AND cost_nano_usd > 0
         ORDER BY cost_nano_usd DESC LIMIT $${values.length + 1}
       ) AS dearest`,
      [...values, count],
    );
  }

  private async ask(statement: string, values: readonly unknown[]): Promise<bigint> {
    const rows: { spent: string }[] = await this.database.run((manager) => manager.query(statement, [...values]));
    return BigInt(rows[0]?.spent ?? '0');
  }
}

function conditionOf(
  organization: string,
  { scope, subject, startMs, endMs }: SpendingWindow,
): { readonly condition: string; readonly values: readonly unknown[] } {
  const within = 'started_at >= $1 AND started_at < $2';
  const window = [new Date(startMs), new Date(endMs)];
  switch (scope) {
    case 'key':
      return { condition: `${within} AND key_id = $3`, values: [...window, subject] };
    case 'team':
      return { condition: `${within} AND organization = $3 AND team = $4`, values: [...window, organization, subject] };
    case 'organization':
      return { condition: `${within} AND organization = $3`, values: [...window, organization] };
    default:
      return scope satisfies never;
  }
}
