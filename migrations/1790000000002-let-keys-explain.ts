import type { MigrationInterface, QueryRunner } from 'typeorm';

/** With a default, so that gateways of the version before go on making keys beside this one. */
export class LetKeysExplain1790000000002 implements MigrationInterface {
  readonly name = 'LetKeysExplain1790000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_key ADD COLUMN may_explain boolean NOT NULL DEFAULT false');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_key DROP COLUMN may_explain');
  }
}
