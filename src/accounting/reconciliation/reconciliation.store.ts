import type { DatabaseService } from '../../database/database.service.js';

export interface Amounts {
  readonly count: number;
  readonly promptTokens: bigint;
  readonly completionTokens: bigint;
  readonly costNanoUsd: bigint;
}

export interface LedgerAmounts extends Amounts {
  readonly attempts: number;
}

export const NOTHING: Amounts = { count: 0, promptTokens: 0n, completionTokens: 0n, costNanoUsd: 0n };

export function addAmounts(one: Amounts, other: Amounts): Amounts {
  return {
    count: one.count + other.count,
    promptTokens: one.promptTokens + other.promptTokens,
    completionTokens: one.completionTokens + other.completionTokens,
    costNanoUsd: one.costNanoUsd + other.costNanoUsd,
  };
}

interface SumRow {
  readonly count: number;
  readonly prompt: string;
  readonly completion: string;
  readonly cost: string;
}

const sumsOf = (table: string): string => `count(*)::integer AS count,
  coalesce(sum(${table}.prompt_tokens), 0)::text AS prompt,
  coalesce(sum(${table}.completion_tokens), 0)::text AS completion,
  coalesce(sum(${table}.cost_nano_usd), 0)::text AS cost`;
const WITHIN = `($1::timestamptz IS NULL OR started_at >= $1) AND ($2::timestamptz IS NULL OR started_at < $2)`;

/** What the ledger says, as far as it is compared. */
export class ReconciliationStore {
  constructor(private readonly database: DatabaseService) {}

  /** By id; those that are there. */
  async find(ids: readonly string[]): Promise<Map<string, LedgerAmounts>> {
    const rows: (SumRow & { id: string; attempts: number })[] = await this.database.run((manager) =>
      manager.query(
        `SELECT id, 1 AS count, coalesce(prompt_tokens, 0)::text AS prompt,
           coalesce(completion_tokens, 0)::text AS completion, coalesce(cost_nano_usd, 0)::text AS cost,
           (SELECT count(*)::integer FROM usage_attempt WHERE usage_request_id = id) AS attempts
         FROM usage_request WHERE id = ANY($1::uuid[])`,
        [ids],
      ),
    );
    return new Map(rows.map((row) => [row.id, { ...toAmounts(row), attempts: row.attempts }]));
  }

  async sum(period: { readonly fromMs: number | null; readonly toMs: number | null }): Promise<{
    readonly requests: Amounts;
    readonly attempts: Amounts;
  }> {
    const bounds = [toDate(period.fromMs), toDate(period.toMs)];
    const [[requests], [attempts]]: [SumRow[], SumRow[]] = await this.database.run(async (manager) => [
      await manager.query(`SELECT ${sumsOf('usage_request')} FROM usage_request WHERE ${WITHIN}`, bounds),
      await manager.query(
        `SELECT ${sumsOf('usage_attempt')} FROM usage_attempt
         JOIN usage_request ON usage_request.id = usage_request_id WHERE ${WITHIN}`,
        bounds,
      ),
    ]);
    return { requests: toAmounts(requests), attempts: toAmounts(attempts) };
  }
}

function toAmounts(row: SumRow | undefined): Amounts {
  if (!row) return NOTHING;
  return {
    count: row.count,
    promptTokens: BigInt(row.prompt),
    completionTokens: BigInt(row.completion),
    costNanoUsd: BigInt(row.cost),
  };
}

function toDate(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds);
}
