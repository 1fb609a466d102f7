import { chmodSync, chownSync, copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PostgresServer } from '../faults/support/postgres-server.js';
import { waitUntil } from '../integration/auth/replica.js';
import type { TlsFolder } from './tls-files.js';

/** A PostgreSQL that lets `gateway` in over TLS alone, with a certificate and this password. */
export async function startEncryptedPostgres(files: TlsFolder, password: string): Promise<PostgresServer> {
  const server = await PostgresServer.start();
  const data = (await server.query<{ data_directory: string }>('SHOW data_directory'))[0]?.data_directory ?? '';
  // Where the server's account may read them, and nobody else.
  const { uid, gid } = statSync(data);
  for (const [name, source] of [
    ['server.crt', files.certFile],
    ['server.key', files.keyFile],
    ['root.crt', files.clientCaFile],
  ] as const) {
    copyFileSync(source, join(data, name));
    chownSync(join(data, name), uid, gid);
    chmodSync(join(data, name), 0o600);
  }
  await server.query(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
  await server.query(`ALTER SYSTEM SET ssl = on`);
  await server.query(`CREATE ROLE gateway LOGIN SUPERUSER PASSWORD '${password}'`);
  const rules = ['hostnossl all gateway all reject', 'hostssl all gateway all scram-sha-256 clientcert=verify-ca'];
  const hba = join(data, 'pg_hba.conf');
  const before = readFileSync(hba, 'utf8');
  writeFileSync(hba, `${rules.join('\n')}\n${before}`);
  await server.query('SELECT pg_reload_conf()');
  await waitUntil(async () => (await server.query<{ ssl: string }>('SHOW ssl'))[0]?.ssl === 'on');
  return server;
}
