import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { DatabaseService } from '../database/database.service.js';
import { type StoredRecord, sealOf } from './audit-record.js';

const INSERT = `
  WITH fresh AS (
    INSERT INTO audit_record (writer, seq, hash, at, type, request_id, about, seals_to, record)
    SELECT writer, seq, decode(hash, 'hex'), at, type, request_id, about, seals_to, record
    FROM json_to_recordset($1::json) AS given (writer uuid, seq bigint, hash text, at timestamptz, type text,
      request_id text, about uuid, seals_to bigint, record text)
    ON CONFLICT DO NOTHING
    RETURNING 1
  )
  SELECT count(*)::integer AS fresh FROM fresh`;

/** Which records of a writer are meant: both ends belong to it. */
export interface ChainRange {
  readonly writer: string;
  readonly first: number;
  readonly last: number;
}

/** All that is there of a chain. */
export interface ChainExtent extends ChainRange {
  /** When its first record that is kept was made. */
  readonly beganAt: Date;
  /** How far signatures reach, its own and those of heirs; 0 where there is none. */
  readonly sealedTo: number;
}

/** All statements about audit records. Every method throws `DatabaseUnavailableError` where it cannot be asked. */
@Injectable()
export class AuditStore {
  constructor(@Inject(DatabaseService) private readonly database: Pick<DatabaseService, 'run'>) {}

  /** Does all its work on the records as they are at one moment, whatever is added and purged meanwhile. */
  atOneMoment<Result>(work: (store: AuditStore) => Promise<Result>): Promise<Result> {
    return this.database.run((manager) =>
      manager.transaction('REPEATABLE READ', (moment) =>
        work(new AuditStore({ run: (operation) => operation(moment) })),
      ),
    );
  }

  /** How many of the records were new. Takes each once, however often it is sent. */
  async insert(records: readonly StoredRecord[]): Promise<number> {
    return this.database.run((manager) => insertRecords(manager, records));
  }

  /** Up to `limit` records of a range, in order; those that claim one place stand beside each other. */
  async read({ writer, first, last }: ChainRange, limit: number): Promise<string[]> {
    const rows: { record: string }[] = await this.database.run((manager) =>
      manager.query(
        'SELECT record FROM audit_record WHERE writer = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq, hash LIMIT $4',
        [writer, first, last, limit],
      ),
    );
    return rows.map(({ record }) => record);
  }

  /** Every writer there is, sealed or not, oldest first; all as it was at one moment. */
  async listChains(): Promise<ChainExtent[]> {
    // One step in the index for each writer: there are far fewer of them than records.
    const rows: { writer: string; first: string; last: string; at: Date; sealed_to: string }[] =
      await this.database.run((manager) =>
        manager.query(`
        WITH RECURSIVE each AS (
          (SELECT writer FROM audit_record ORDER BY writer LIMIT 1)
          UNION ALL
          SELECT (SELECT writer FROM audit_record WHERE writer > each.writer ORDER BY writer LIMIT 1)
          FROM each WHERE each.writer IS NOT NULL
        )
        SELECT writer, head.seq AS first, head.at, (SELECT max(seq) FROM audit_record WHERE writer = each.writer) AS last,
          greatest(0, (SELECT max(seq) FROM audit_record WHERE writer = each.writer AND seals_to IS NOT NULL),
            (SELECT max(seals_to) FROM audit_record WHERE about = each.writer AND writer <> about)) AS sealed_to
        FROM each, LATERAL (SELECT seq, at FROM audit_record WHERE writer = each.writer ORDER BY seq LIMIT 1) AS head
        WHERE writer IS NOT NULL
        ORDER BY head.at, writer`),
      );
    return rows.map(({ writer, first, last, at, sealed_to }) => ({
      writer,
      first: Number(first),
      last: Number(last),
      beganAt: at,
      sealedTo: Number(sealed_to),
    }));
  }

  /** How far signatures reach that were made before a moment; 0 where there is none. */
  async findSealedTo(writer: string, before: Date): Promise<number> {
    const rows: { reach: string }[] = await this.database.run((manager) =>
      manager.query(
        `SELECT greatest(0,
           (SELECT max(seq) FROM audit_record WHERE writer = $1 AND seals_to IS NOT NULL AND at < $2),
           (SELECT max(seals_to) FROM audit_record WHERE about = $1 AND writer <> about AND at < $2)) AS reach`,
        [writer, before],
      ),
    );
    return Number(rows[0]?.reach ?? 0);
  }

  /** How far the first seal reaches that was made at a moment or later; 0 where there is none. */
  async findFirstSealAfter(writer: string, moment: Date): Promise<number> {
    const rows: { reach: string | null }[] = await this.database.run((manager) =>
      manager.query(
        `SELECT min(CASE WHEN writer = about THEN seq ELSE seals_to END) AS reach FROM audit_record
         WHERE about = $1 AND seals_to IS NOT NULL AND at >= $2`,
        [writer, moment],
      ),
    );
    return Number(rows[0]?.reach ?? 0);
  }

  /** The writer's own seals around one of its records: the last before it, and the first from it on; 0 where there is none. */
  async findSealsAround(writer: string, seq: number): Promise<{ before: number; after: number }> {
    const rows: { before: string | null; after: string | null }[] = await this.database.run((manager) =>
      manager.query(
        `SELECT max(seq) FILTER (WHERE seq < $2) AS before, min(seq) FILTER (WHERE seq >= $2) AS after FROM audit_record
         WHERE about = $1 AND writer = about`,
        [writer, seq],
      ),
    );
    return { before: Number(rows[0]?.before ?? 0), after: Number(rows[0]?.after ?? 0) };
  }

  /** Where other chains tell of this one: of its gaps, its purges, its death; newest first. */
  async findStatements(about: string): Promise<{ writer: string; seq: number }[]> {
    const rows: { writer: string; seq: string }[] = await this.database.run((manager) =>
      manager.query('SELECT writer, seq FROM audit_record WHERE about = $1 AND writer <> about ORDER BY at DESC', [
        about,
      ]),
    );
    return rows.map(({ writer, seq }) => ({ writer, seq: Number(seq) }));
  }

  /** The seals that cover a record, a writer's own first. */
  async findSeals({ writer, seq }: { readonly writer: string; readonly seq: number }): Promise<string[]> {
    const rows: { record: string }[] = await this.database.run((manager) =>
      manager.query(
        `SELECT record FROM audit_record WHERE about = $1 AND seals_to >= $2
         ORDER BY (writer = about) DESC, seals_to, at LIMIT 10`,
        [writer, seq],
      ),
    );
    return rows.map(({ record }) => record);
  }

  async findByRequest(requestId: string): Promise<string[]> {
    const rows: { record: string }[] = await this.database.run((manager) =>
      manager.query('SELECT record FROM audit_record WHERE request_id = $1 ORDER BY at, writer, seq LIMIT 100', [
        requestId,
      ]),
    );
    return rows.map(({ record }) => record);
  }

  /** Removes up to `limit` records up to one; how many there were. */
  async remove(writer: string, last: number, limit: number): Promise<number> {
    return this.database.run((manager) =>
      manager.transaction(async (transaction) => {
        await transaction.query("SELECT set_config('aegis.audit_purge', 'on', true)");
        const rows: { count: number }[] = await transaction.query(
          `WITH gone AS (
             DELETE FROM audit_record WHERE writer = $1 AND seq IN (
               SELECT seq FROM audit_record WHERE writer = $1 AND seq <= $2 ORDER BY seq LIMIT $3)
             RETURNING 1)
           SELECT count(*)::integer AS count FROM gone`,
          [writer, last, limit],
        );
        return rows[0]?.count ?? 0;
      }),
    );
  }
}

async function insertRecords(manager: EntityManager, records: readonly StoredRecord[]): Promise<number> {
  const rows: { fresh: number }[] = await manager.query(INSERT, [JSON.stringify(records.map(toRow))]);
  return rows[0]?.fresh ?? 0;
}

function toRow({ record, hash, line }: StoredRecord): object {
  const seal = sealOf(record);
  return {
    writer: record.writer,
    seq: record.seq,
    hash,
    at: record.at,
    type: record.type,
    request_id: (record.type === 'request.decided' && record.request_id) || null,
    about: seal?.of ?? ('of' in record ? record.of : null),
    seals_to: seal?.last ?? null,
    record: line,
  };
}
