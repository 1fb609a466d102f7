import { Injectable } from '@nestjs/common';
import type { BudgetWindow } from '../domain/principal.js';
import { DatabaseService } from './database.service.js';

/** What all keys of an organization, or of one of its teams, may spend together. */
export interface SharedBudget {
  readonly organization: string;
  /** Null: the organization's own. */
  readonly team: string | null;
  /** Null: unlimited, and then the window is null too. */
  readonly budgetNanoUsd: bigint | null;
  readonly budgetWindow: BudgetWindow | null;
}

interface BudgetRow {
  readonly organization: string;
  readonly team: string | null;
  readonly budget_nano_usd: string;
  readonly budget_window: BudgetWindow;
}

/** Budgets of teams and organizations. Every method throws `DatabaseUnavailableError` where the database cannot be asked. */
@Injectable()
export class BudgetRepository {
  constructor(private readonly database: DatabaseService) {}

  /** Hashes of the keys that the budget is for, present and previous ones; null where there is no such owner. */
  async set({ organization, team, budgetNanoUsd, budgetWindow }: SharedBudget): Promise<readonly string[] | null> {
    const amount = budgetNanoUsd?.toString() ?? null;
    return this.database.run((manager) =>
      manager.transaction(async (transaction) => {
        const [owners] =
          team === null
            ? await transaction.query<[{ id: string }[], number]>(
                'UPDATE organization SET budget_nano_usd = $1, budget_window = $2 WHERE name = $3 RETURNING id',
                [amount, budgetWindow, organization],
              )
            : await transaction.query<[{ id: string }[], number]>(
                `UPDATE team SET budget_nano_usd = $1, budget_window = $2 FROM organization
                 WHERE organization.id = team.organization_id AND organization.name = $3 AND team.name = $4
                 RETURNING team.id`,
                [amount, budgetWindow, organization, team],
              );
        const [owner] = owners;
        if (owner === undefined) return null;
        const rows = await transaction.query<{ key_hash: string; previous_key_hash: string | null }[]>(
          `SELECT key_hash, previous_key_hash FROM api_key JOIN team ON team.id = api_key.team_id
           WHERE $1 IN (team.id, team.organization_id)`,
          [owner.id],
        );
        return rows.flatMap((row) =>
          row.previous_key_hash === null ? [row.key_hash] : [row.key_hash, row.previous_key_hash],
        );
      }),
    );
  }

  /** All that are set, by name; an organization's before its teams'. */
  async list(): Promise<readonly SharedBudget[]> {
    const rows = await this.database.run((manager) =>
      manager.query<BudgetRow[]>(
        `SELECT name AS organization, NULL AS team, budget_nano_usd, budget_window FROM organization
         WHERE budget_nano_usd IS NOT NULL
         UNION ALL
         SELECT organization.name, team.name, team.budget_nano_usd, team.budget_window
         FROM team JOIN organization ON organization.id = team.organization_id
         WHERE team.budget_nano_usd IS NOT NULL
         ORDER BY organization, team NULLS FIRST`,
      ),
    );
    return rows.map(({ organization, team, budget_nano_usd, budget_window }) => ({
      organization,
      team,
      budgetNanoUsd: BigInt(budget_nano_usd),
      budgetWindow: budget_window,
    }));
  }
}
