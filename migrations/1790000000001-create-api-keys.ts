import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateApiKeys1790000000001 implements MigrationInterface {
  readonly name = 'CreateApiKeys1790000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_key (
        id uuid PRIMARY KEY,
        key_hash text NOT NULL UNIQUE CHECK (key_hash ~ '^[0-9a-f]{64}$'),
        key_prefix text NOT NULL,
        team_id uuid NOT NULL REFERENCES team (id),
        user_name text,
        name text NOT NULL,
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
        default_classification text NOT NULL
          CHECK (default_classification IN ('PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED')),
        max_classification text NOT NULL
          CHECK (max_classification IN ('PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED')),
        allowed_models text[],
        rpm_limit integer CHECK (rpm_limit > 0),
        tpm_limit integer CHECK (tpm_limit > 0),
        max_parallel_requests integer CHECK (max_parallel_requests > 0),
        budget_nano_usd bigint CHECK (budget_nano_usd >= 0),
        budget_window text CHECK (budget_window IN ('day', 'month')),
        created_at timestamptz NOT NULL DEFAULT now(),
        changed_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        revoked_reason text,
        CHECK ((budget_nano_usd IS NULL) = (budget_window IS NULL)),
        CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
      )`);
    await runner.query('CREATE INDEX api_key_changed_at ON api_key (changed_at)');
    await runner.query('CREATE INDEX api_key_team_id ON api_key (team_id)');
    await runner.query('CREATE INDEX api_key_key_prefix ON api_key (key_prefix)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE api_key');
  }
}
