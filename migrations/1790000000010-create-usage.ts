import type { MigrationInterface, QueryRunner } from 'typeorm';

/** No reference to `api_key`: what was used stays true when a key is gone. */
export class CreateUsage1790000000010 implements MigrationInterface {
  readonly name = 'CreateUsage1790000000010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_request (
        id uuid PRIMARY KEY,
        request_id text NOT NULL,
        key_id uuid NOT NULL,
        organization text NOT NULL,
        team text NOT NULL,
        project text,
        requested_model text,
        provider text,
        model text,
        level text,
        stream boolean NOT NULL,
        status integer NOT NULL,
        code text,
        ending text NOT NULL,
        finish_reason text,
        started_at timestamptz NOT NULL,
        duration_ms double precision NOT NULL,
        upstream_ms double precision NOT NULL,
        first_content_ms double precision,
        prompt_tokens bigint,
        completion_tokens bigint,
        cached_prompt_tokens bigint,
        cache_write_tokens bigint,
        reasoning_tokens bigint,
        usage_source text NOT NULL,
        cost_nano_usd numeric(20, 0),
        price_version text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX usage_request_key_id_started_at ON usage_request (key_id, started_at)');
    await runner.query(
      'CREATE INDEX usage_request_organization_team_started_at ON usage_request (organization, team, started_at)',
    );
    await runner.query('CREATE INDEX usage_request_started_at ON usage_request (started_at)');
    await runner.query(`
      CREATE TABLE usage_attempt (
        usage_request_id uuid NOT NULL REFERENCES usage_request (id) ON DELETE CASCADE,
        position integer NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        outcome text NOT NULL,
        duration_ms double precision NOT NULL,
        prompt_tokens bigint,
        completion_tokens bigint,
        cached_prompt_tokens bigint,
        cache_write_tokens bigint,
        reasoning_tokens bigint,
        service_tier text,
        usage_source text NOT NULL,
        cost_nano_usd numeric(20, 0),
        PRIMARY KEY (usage_request_id, position)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE usage_attempt');
    await runner.query('DROP TABLE usage_request');
  }
}
