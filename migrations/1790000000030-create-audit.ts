import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `audit_record` takes rows and gives them up to a purge alone; its key lets two records that claim one place stand
 * beside each other, so that a forgery hides nothing. `audit_change` notes what is changed of keys and budgets, by whatever
 * statement and in the same transaction, until a gateway has it in its chain.
 */
export class CreateAudit1790000000030 implements MigrationInterface {
  readonly name = 'CreateAudit1790000000030';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_record (
        writer uuid NOT NULL,
        seq bigint NOT NULL,
        hash bytea NOT NULL,
        at timestamptz NOT NULL,
        type text NOT NULL,
        request_id text,
        about uuid,
        seals_to bigint,
        record text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (writer, seq, hash)
      )`);
    await runner.query('CREATE INDEX audit_record_at ON audit_record (at)');
    await runner.query(
      'CREATE INDEX audit_record_request_id ON audit_record (request_id) WHERE request_id IS NOT NULL',
    );
    await runner.query('CREATE INDEX audit_record_seals ON audit_record (writer, seq) WHERE seals_to IS NOT NULL');
    await runner.query('CREATE INDEX audit_record_about ON audit_record (about, at) WHERE about IS NOT NULL');
    await runner.query(`
      CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'DELETE' AND current_setting('aegis.audit_purge', true) = 'on' THEN RETURN NULL; END IF;
        RAISE EXCEPTION 'audit records are not changed; aegis audit purge removes old ones';
      END $$`);
    await runner.query(`
      CREATE TRIGGER keep_audit BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_record
      FOR EACH STATEMENT EXECUTE FUNCTION keep_audit()`);
    await this.noteChanges(runner);
  }

  /** Values are told of what a key may do; of everything else only that it changed. */
  private async noteChanges(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_change (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL DEFAULT session_user || ' ' || coalesce(current_setting('application_name', true), ''),
        kind text NOT NULL,
        reason text NOT NULL,
        key_id uuid,
        organization text NOT NULL,
        team text,
        changes jsonb NOT NULL
      )`);
    await runner.query(`
      CREATE FUNCTION audit_changes(before jsonb, after jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
        SELECT coalesce(jsonb_agg(
          CASE WHEN field = ANY (ARRAY['status', 'default_classification', 'max_classification', 'allowed_models', 'rpm_limit',
            'tpm_limit', 'max_parallel_requests', 'budget_nano_usd', 'budget_window', 'may_explain', 'expires_at', 'team_id'])
          THEN jsonb_build_object('field', field, 'from', before ->> field, 'to', after ->> field)
          ELSE jsonb_build_object('field', field) END ORDER BY field), '[]')
        FROM jsonb_object_keys(before || after) AS field
        WHERE before -> field IS DISTINCT FROM after -> field
      $$`);
    await runner.query(`
      CREATE FUNCTION note_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        -- Uses, hashes and the marks of other triggers are no changes of what a key is.
        noise constant text[] := ARRAY['id', 'last_used_at', 'changed_at', 'changed_in', 'created_at', 'key_hash', 'previous_key_hash'];
        before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) - noise END;
        after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) - noise END;
        subject jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
        organization_name text;
        team_name text;
      BEGIN
        IF before = after THEN RETURN NULL; END IF;
        IF TG_TABLE_NAME = 'organization' THEN organization_name := subject ->> 'name';
        ELSE
          SELECT organization.name, team.name INTO organization_name, team_name
          FROM team JOIN organization ON organization.id = team.organization_id
          WHERE team.id = CASE WHEN TG_TABLE_NAME = 'team' THEN (subject ->> 'id')::uuid ELSE (subject ->> 'team_id')::uuid END;
        END IF;
        INSERT INTO audit_change (kind, reason, key_id, organization, team, changes) VALUES (
          CASE WHEN TG_TABLE_NAME = 'api_key' THEN 'key' ELSE 'budget' END,
          CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'removed'
            ELSE CASE WHEN after ->> 'status' = 'revoked' AND before ->> 'status' <> 'revoked' THEN 'revoked' ELSE 'updated' END END,
          CASE WHEN TG_TABLE_NAME = 'api_key' THEN (subject ->> 'id')::uuid END,
          coalesce(organization_name, ''), team_name, audit_changes(before, after));
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER note_audit_change AFTER INSERT OR UPDATE OR DELETE ON api_key
      FOR EACH ROW EXECUTE FUNCTION note_audit_change()`);
    for (const table of ['team', 'organization']) {
      await runner.query(`
        CREATE TRIGGER note_audit_change AFTER UPDATE ON ${table} FOR EACH ROW
        WHEN (OLD.budget_nano_usd IS DISTINCT FROM NEW.budget_nano_usd OR OLD.budget_window IS DISTINCT FROM NEW.budget_window)
        EXECUTE FUNCTION note_audit_change()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['api_key', 'team', 'organization']) {
      await runner.query(`DROP TRIGGER note_audit_change ON ${table}`);
    }
    await runner.query('DROP FUNCTION note_audit_change()');
    await runner.query('DROP FUNCTION audit_changes(jsonb, jsonb)');
    await runner.query('DROP TABLE audit_change');
    await runner.query('DROP TABLE audit_record');
    await runner.query('DROP FUNCTION keep_audit()');
  }
}
