/** What the run has left in the stores: what a million requests, or a key, take there. */

const TABLES = ['usage_request', 'usage_attempt', 'audit_record'];

/** Bytes with indexes, for a million requests. Of a small run the first pages weigh more than they should. */
async function measurePostgres(postgres, startLsn) {
  const [{ count }] = await postgres.query('SELECT count(*)::int AS count FROM usage_request');
  const [{ bytes: log }] = await postgres.query('SELECT pg_wal_lsn_diff($1, $2)::float AS bytes', [
    await readLsn(postgres),
    startLsn,
  ]);
  const sizes = await Promise.all(
    TABLES.map(async (name) => {
      await postgres.query(`VACUUM ${name}`);
      const [{ rows, bytes }] = await postgres.query(
        `SELECT count(*)::int AS rows, pg_total_relation_size('${name}')::bigint::float AS bytes FROM ${name}`,
      );
      return { name, rows: rows / count, gigabytes: ((bytes / count) * 1e6) / 1e9 };
    }),
  );
  return { count, sizes, logGigabytes: log / count / 1e3 };
}

/** Where the write-ahead log stands. */
export async function readLsn(postgres) {
  const [{ lsn }] = await postgres.query('SELECT pg_current_wal_lsn()::text AS lsn');
  return lsn;
}

/** Bytes in Redis by what they are for, as MEMORY USAGE counts them. */
async function measureRedis(redis) {
  return redis.use(async (client) => {
    const kinds = new Map();
    for (const key of await client.keys('aegis:*')) {
      const kind = key
        .replace(/\{.*\}/, '…')
        .replace(/:[0-9a-f-]{36}/, ':ID')
        .replace(/:[0-9a-f]{64}$/, ':HASH')
        .replace(/:\d{4}-\d\d(-\d\d)?/, '');
      const bytes = Number(await client.memory('USAGE', key, 'SAMPLES', 0));
      const { count = 0, total = 0, most = 0 } = kinds.get(kind) ?? {};
      kinds.set(kind, { count: count + 1, total: total + bytes, most: Math.max(most, bytes) });
    }
    return kinds;
  });
}

export async function measureStores({ postgres, redis }, startLsn) {
  return { postgres: await measurePostgres(postgres, startLsn), redis: await measureRedis(redis) };
}

export function printSizes({ postgres: { count, sizes, logGigabytes }, redis }) {
  const line = (name, ...cells) => console.log(`  ${name.padEnd(58)} ${cells.join('  ')}`);
  console.log(`\nPostgreSQL, GB for a million requests as these ${count} were, indexes included`);
  for (const { name, rows, gigabytes } of sizes)
    line(`${name}, ${rows.toFixed(2)} rows a request`, gigabytes.toFixed(2));
  line('together', sizes.reduce((sum, { gigabytes }) => sum + gigabytes, 0).toFixed(2));
  line('write-ahead log, all tables and commands', logGigabytes.toFixed(2));
  console.log('\nRedis, bytes a key');
  for (const [kind, { count: keys, total, most }] of [...redis].sort())
    line(`${kind}, ${keys} of them`, `${Math.round(total / keys)} on average`, `${most} at most`);
}
