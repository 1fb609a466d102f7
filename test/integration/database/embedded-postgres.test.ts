import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '../../../src/database/embedded-postgres.js';
import { makeReachableFolder } from '../../support/postgres.js';

const isRoot = process.getuid?.() === 0;

describe('the embedded PostgreSQL', () => {
  let parent: string;
  let folder: string;
  beforeEach(() => {
    parent = makeReachableFolder();
    folder = path.join(parent, '.aegis');
  });
  afterEach(async () => {
    await removeEmbeddedPostgres(folder);
    await rm(parent, { recursive: true, force: true });
  });

  it('starts on loopback with a password of its own, and keeps its data over restarts', async () => {
    const server = await startEmbeddedPostgres({ folder });
    const url = new URL(server.url);
    expect(url.hostname).toBe('127.0.0.1');
    await query(server.url, 'CREATE TABLE kept (id integer); INSERT INTO kept VALUES (7)');
    expect(await query(server.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    url.password = 'guessed';
    await expect(query(url.toString(), 'SELECT 1')).rejects.toThrow('password authentication failed');
    expect((await stat(path.join(folder, 'postgres.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(folder, 'postgres', 'password'))).mode & 0o777).toBe(0o600);
    await server.stop();
    await expect(query(server.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');

    const again = await startEmbeddedPostgres({ folder });
    try {
      // A URL that somebody noted keeps working.
      expect(again.url).toBe(server.url);
      expect(await query(again.url, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
    } finally {
      await again.stop();
    }
  });

  it('is one server for all who start it at once, and stops with the last of them', async () => {
    const servers = await Promise.all(Array.from({ length: 4 }, () => startEmbeddedPostgres({ folder })));
    expect(new Set(servers.map(({ url }) => url)).size).toBe(1);
    expect(new Set(servers.map(({ processId }) => processId)).size).toBe(1);
    const [last, ...others] = servers;
    await Promise.all(others.map((server) => server.stop()));
    expect(await query(last?.url ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await last?.stop();
    await expect(query(last?.url ?? '', 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('is taken over from a process that was killed, and is stopped by who took over', async () => {
    const owner = await startInOtherProcess(folder);
    owner.child.kill('SIGKILL');
    await once(owner.child, 'exit');
    const server = await startEmbeddedPostgres({ folder });
    expect(server.url).toBe(owner.url);
    await server.stop();
    await expect(query(server.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('recovers where the server itself was killed', async () => {
    const server = await startEmbeddedPostgres({ folder });
    await query(server.url, 'CREATE TABLE kept (id integer); INSERT INTO kept VALUES (7)');
    process.kill(server.processId, 'SIGKILL');
    const again = await startEmbeddedPostgres({ folder });
    try {
      expect(again.processId).not.toBe(server.processId);
      expect(await query(again.url, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
    } finally {
      await again.stop();
      await server.stop();
    }
  });

  it('starts although a lock file names the process id of another program', async () => {
    await (await startEmbeddedPostgres({ folder })).stop();
    const data = path.join(folder, 'postgres', 'data');
    await writeFile(path.join(data, 'postmaster.pid'), `${process.pid}\n${data}\n0\n1\n\n127.0.0.1\n`);
    const server = await startEmbeddedPostgres({ folder });
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it('takes another port where its last one is taken', async () => {
    const server = await startEmbeddedPostgres({ folder });
    await server.stop();
    const { createServer } = await import('node:net');
    const squatter = createServer().listen(server.port, '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const moved = await startEmbeddedPostgres({ folder });
      expect(moved.port).not.toBe(server.port);
      expect(await query(moved.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await moved.stop();
    } finally {
      squatter.close();
    }
  });

  it('is not removed while somebody uses it', async () => {
    const server = await startEmbeddedPostgres({ folder });
    await expect(removeEmbeddedPostgres(folder)).rejects.toThrow('in use');
    await server.stop();
    await removeEmbeddedPostgres(folder);
    expect(existsSync(path.join(folder, 'postgres'))).toBe(false);
  });

  (isRoot ? it : it.skip)('runs for root in a checkout that no other account can reach', async () => {
    await chmod(parent, 0o700);
    const server = await startEmbeddedPostgres({ folder });
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.stop();
    expect((await lstat(path.join(folder, 'postgres'))).isSymbolicLink()).toBe(true);
    const again = await startEmbeddedPostgres({ folder });
    expect(again.url).toBe(server.url);
    await query(again.url, 'CREATE TABLE kept (id int)');
    await again.stop();

    await rm(folder, { recursive: true });
    const anew = await startEmbeddedPostgres({ folder });
    expect(await query(anew.url, "SELECT to_regclass('kept') AS kept")).toEqual([{ kept: null }]);
    await anew.stop();
  });

  (isRoot ? it : it.skip)('runs for an ordinary user as that user', async () => {
    const nobody = 65_534;
    const { chownSync } = await import('node:fs');
    chownSync(parent, nobody, nobody);
    const owner = await startInOtherProcess(folder, { uid: nobody, gid: nobody });
    expect(await query(owner.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await stat(path.join(folder, 'postgres', 'data'))).uid).toBe(nobody);
    owner.child.kill('SIGTERM');
    await once(owner.child, 'exit');
    await expect(query(owner.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  });
});

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The built starter in a process of its own; SIGTERM stops it in order. */
async function startInOtherProcess(
  folder: string,
  account: { uid?: number; gid?: number } = {},
): Promise<{ url: string; child: ChildProcess }> {
  const starter = path.join(process.cwd(), 'dist', 'src', 'database', 'embedded-postgres.js');
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(starter)});
    const server = await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} });
    const waiting = setInterval(() => undefined, 1000);
    process.once('SIGTERM', async () => { await server.stop(); clearInterval(waiting); });
    console.log(server.url);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    ...account,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = await once(child.stdout, 'data');
  return { url: String(chunk).trim(), child };
}

describe('a folder that holds something else', () => {
  it('is named in the refusal', async () => {
    const parent = makeReachableFolder();
    const folder = path.join(parent, '.aegis');
    await mkdir(path.join(folder, 'postgres', 'data'), { recursive: true });
    await expect(startEmbeddedPostgres({ folder })).rejects.toThrow(path.join(folder, 'postgres'));
    await rm(parent, { recursive: true, force: true });
  });
});
