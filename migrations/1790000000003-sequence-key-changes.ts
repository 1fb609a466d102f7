import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which transaction last changed a key, written by the database itself: whoever changes a key, by whatever statement,
 * tells the gateways. Beside it the hash that a key had under the pepper before.
 */
export class SequenceKeyChanges1790000000003 implements MigrationInterface {
  readonly name = 'SequenceKeyChanges1790000000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE api_key
        ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
        ADD COLUMN previous_key_hash text UNIQUE CHECK (previous_key_hash ~ '^[0-9a-f]{64}$')`);
    await runner.query('CREATE INDEX api_key_changed_in ON api_key (changed_in)');
    await runner.query(`
      CREATE FUNCTION note_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.changed_in := pg_current_xact_id();
        NEW.changed_at := clock_timestamp();
        RETURN NEW;
      END $$`);
    // Use is no change. Columns that come later count without being named here.
    await runner.query(`
      CREATE TRIGGER note_key_change BEFORE UPDATE ON api_key FOR EACH ROW
      WHEN (to_jsonb(OLD) - 'last_used_at' IS DISTINCT FROM to_jsonb(NEW) - 'last_used_at')
      EXECUTE FUNCTION note_key_change()`);
    // What a gateway keeps of a key holds facts of its team and organization too.
    await runner.query(`
      CREATE FUNCTION note_team_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE api_key SET changed_in = pg_current_xact_id() WHERE team_id = NEW.id;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE FUNCTION note_organization_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE api_key SET changed_in = pg_current_xact_id()
        FROM team WHERE team.id = api_key.team_id AND team.organization_id = NEW.id;
        RETURN NULL;
      END $$`);
    for (const table of ['team', 'organization']) {
      await runner.query(`
        CREATE TRIGGER note_${table}_change AFTER UPDATE ON ${table} FOR EACH ROW
        WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION note_${table}_change()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['team', 'organization']) {
      await runner.query(`DROP TRIGGER note_${table}_change ON ${table}`);
      await runner.query(`DROP FUNCTION note_${table}_change()`);
    }
    await runner.query('DROP TRIGGER note_key_change ON api_key');
    await runner.query('DROP FUNCTION note_key_change()');
    await runner.query('ALTER TABLE api_key DROP COLUMN changed_in, DROP COLUMN previous_key_hash');
  }
}
