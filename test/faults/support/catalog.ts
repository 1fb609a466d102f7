import type { TestDatabase } from '../../support/postgres.js';

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  /** PostgreSQL fills it in where a statement does not name it. */
  readonly hasDefault: boolean;
}

/** Something that refuses rows: a constraint or a unique index, and the columns it looks at. */
interface Rule {
  readonly table: string;
  readonly name: string;
  readonly columns: readonly string[];
}

/** What the tables demand of those who write to them. */
export interface Catalog {
  readonly columns: readonly Column[];
  readonly rules: readonly Rule[];
}

export async function readCatalog(database: TestDatabase): Promise<Catalog> {
  const columns = await database.query<Column>(`
    SELECT table_name AS "table", column_name AS name, udt_name AS type, is_nullable = 'YES' AS "isNullable",
      column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS' AS "hasDefault"
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2`);
  const rules = await database.query<Rule>(`
    SELECT relation.relname AS "table", rule.name, array_agg(attribute.attname::text) AS columns
    FROM (
      SELECT conrelid AS relation, conname AS name, unnest(conkey) AS number FROM pg_constraint WHERE contype IN ('c', 'f', 'p', 'u')
      UNION SELECT indrelid, indexrelid::regclass::text, unnest(indkey::smallint[]) FROM pg_index WHERE indisunique
    ) AS rule
    JOIN pg_class AS relation ON relation.oid = rule.relation AND relation.relnamespace = 'public'::regnamespace
    JOIN pg_attribute AS attribute ON attribute.attrelid = rule.relation AND attribute.attnum = rule.number
    GROUP BY 1, 2 ORDER BY 1, 2`);
  return { columns, rules };
}

/** What a version that knows the older tables could not do with the newer ones; empty where they only grew. */
export function findContractions(older: Catalog, newer: Catalog): string[] {
  const nameOf = ({ table, name }: { readonly table: string; readonly name: string }): string => `${table}.${name}`;
  const later = new Map(newer.columns.map((column) => [nameOf(column), column]));
  const known = new Set(older.columns.map(nameOf));
  const tables = new Set(older.columns.map(({ table }) => table));
  const problems: string[] = [];
  for (const column of older.columns) {
    const now = later.get(nameOf(column));
    if (!now) problems.push(`${nameOf(column)} is gone`);
    else if (now.type !== column.type) problems.push(`${nameOf(column)} is ${now.type} instead of ${column.type}`);
    else if (column.isNullable && !now.isNullable) problems.push(`${nameOf(column)} may not be empty any more`);
    else if (column.hasDefault && !now.hasDefault) problems.push(`${nameOf(column)} has lost its default`);
  }
  for (const column of newer.columns.filter((each) => tables.has(each.table) && !known.has(nameOf(each)))) {
    if (!column.isNullable && !column.hasDefault) problems.push(`${nameOf(column)} must be given`);
  }
  const before = new Set(older.rules.map(nameOf));
  for (const rule of newer.rules.filter((each) => tables.has(each.table) && !before.has(nameOf(each)))) {
    if (rule.columns.every((name) => known.has(`${rule.table}.${name}`)))
      problems.push(`${nameOf(rule)} is a new rule`);
  }
  return problems;
}
