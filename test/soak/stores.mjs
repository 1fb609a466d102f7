/** A real PostgreSQL, embedded, and a real Redis, which can be frozen, stopped and started again on the same port. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { findFreePort } from '../../scripts/lib/ports.mjs';
import { endChild } from '../bench/gateway/processes.mjs';

const DEADLINE_MS = 30_000;

export async function until(isSo, what, deadlineMs = DEADLINE_MS) {
  for (const deadline = performance.now() + deadlineMs; !(await isSo()); await sleep(50)) {
    if (performance.now() > deadline) throw new Error(`${what} within ${deadlineMs / 1_000} s`);
  }
}

/** A process and all that it started, grandchildren included. */
function familyOf(pid) {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), readParent(name)]);
  const family = [pid];
  for (const member of family)
    family.push(...parents.filter(([, parent]) => parent === member).map(([child]) => child));
  return family;
}

function readParent(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}

/** A zombie that nobody has reaped yet has ended, too. */
function isAlive(pid) {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

export class PostgresServer {
  static async start(folder) {
    const embedded = await import('../../dist/src/database/embedded-postgres.js');
    const server = new PostgresServer();
    server.folder = folder;
    server.embedded = embedded;
    server.running = await embedded.startEmbeddedPostgres({ folder });
    server.url = server.running.url;
    server.port = server.running.port;
    return server;
  }

  async query(statement, values = []) {
    const client = new pg.Client({ connectionString: this.url, application_name: 'soak' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(statement, values)).rows;
    } finally {
      await client.end();
    }
  }

  freeze() {
    for (const pid of familyOf(this.running.processId)) process.kill(pid, 'SIGSTOP');
  }

  thaw() {
    if (isAlive(this.running.processId))
      for (const pid of familyOf(this.running.processId)) process.kill(pid, 'SIGCONT');
  }

  /** As an operator restarts it: whoever is connected is told so, and put out (`pg_ctl stop -m fast`). */
  async halt() {
    const { processId } = this.running;
    process.kill(processId, 'SIGINT');
    await until(() => !isAlive(processId), 'PostgreSQL did not stop');
  }

  async resume() {
    this.running = await this.embedded.startEmbeddedPostgres({ folder: this.folder });
  }

  async remove() {
    this.thaw();
    await this.running.stop();
    const { processId } = this.running;
    if (isAlive(processId)) process.kill(processId, 'SIGQUIT');
    await until(() => !isAlive(processId), 'PostgreSQL did not stop');
    await this.embedded.removeEmbeddedPostgres(this.folder);
  }
}

export class RedisServer {
  static async start(folder) {
    const folders = (process.env.PATH ?? '').split(path.delimiter);
    const program = folders.map((each) => path.join(each, 'redis-server')).find(existsSync);
    if (program === undefined) throw new Error('The soak needs redis-server on the PATH.');
    const server = new RedisServer();
    Object.assign(server, { folder, program, port: await findFreePort() });
    server.url = `redis://127.0.0.1:${server.port}`;
    await server.resume();
    return server;
  }

  freeze() {
    this.child.kill('SIGSTOP');
  }

  thaw() {
    this.child?.kill('SIGCONT');
  }

  /** Everything in it is gone. */
  async halt() {
    this.thaw();
    this.child.kill('SIGKILL');
    await endChild(this.child);
  }

  async resume() {
    const parameters = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--dir', this.folder];
    this.child = spawn(this.program, parameters, { stdio: 'ignore' });
    const answers = () =>
      this.use((client) => client.ping()).then(
        () => true,
        () => false,
      );
    await until(answers, 'Redis did not start');
  }

  async use(action) {
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await action(client);
    } finally {
      client.disconnect();
    }
  }
}

/** The command line of what was built, as an operator has it. Resolves with its exit code and what it printed. */
export function runCli(environment, ...parameters) {
  const main = path.join(import.meta.dirname, '../../dist/src/cli/main.js');
  return new Promise((resolve) => {
    const options = { env: environment, encoding: 'utf8', maxBuffer: 64 * 1_048_576 };
    execFile(process.execPath, [main, ...parameters], options, (problem, output, said) =>
      resolve({ code: problem === null ? 0 : problem.code, output, said }),
    );
  });
}
