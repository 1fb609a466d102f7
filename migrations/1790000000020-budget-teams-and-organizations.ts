import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Without a budget until one is set, so that gateways of the version before go on beside this one. */
export class BudgetTeamsAndOrganizations1790000000020 implements MigrationInterface {
  readonly name = 'BudgetTeamsAndOrganizations1790000000020';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['organization', 'team']) {
      await runner.query(`
        ALTER TABLE ${table}
          ADD COLUMN budget_nano_usd bigint CHECK (budget_nano_usd >= 0),
          ADD COLUMN budget_window text CHECK (budget_window IN ('day', 'month')),
          ADD CONSTRAINT ${table}_budget_is_whole CHECK ((budget_nano_usd IS NULL) = (budget_window IS NULL))`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['team', 'organization']) {
      await runner.query(`ALTER TABLE ${table} DROP COLUMN budget_nano_usd, DROP COLUMN budget_window`);
    }
  }
}
