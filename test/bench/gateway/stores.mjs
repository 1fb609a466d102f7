/** A real PostgreSQL, embedded, and a real Redis where there is one: AEGIS_BENCH_REDIS_URL, or `redis-server` on the PATH. */
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findFreePort } from '../../../scripts/lib/ports.mjs';
import { endChild, spawnUntil } from './processes.mjs';

function findProgram(name) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file)) ?? null;
}

const accepts = (port) =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

async function startRedis(folder) {
  if (process.env.AEGIS_BENCH_REDIS_URL) return { url: process.env.AEGIS_BENCH_REDIS_URL, stop: async () => undefined };
  const program = findProgram('redis-server');
  if (program === null) return { url: null, stop: async () => undefined };
  const port = await findFreePort();
  const parameters = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = await spawnUntil(() => accepts(port), program, parameters, { stdio: 'ignore' });
  return { url: `redis://127.0.0.1:${port}`, stop: () => endChild(child) };
}

export async function startStores() {
  const { startEmbeddedPostgres } = await import('../../../dist/src/database/embedded-postgres.js');
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-bench-'));
  // The database's own account must come in.
  chmodSync(folder, 0o755);
  const postgres = await startEmbeddedPostgres({ folder });
  const redis = await startRedis(folder);
  return {
    folder,
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    stop: async () => {
      await redis.stop();
      await postgres.stop();
      const { removeEmbeddedPostgres } = await import('../../../dist/src/database/embedded-postgres.js');
      await removeEmbeddedPostgres(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
