import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import Module from 'node:module';
import type { Socket } from 'node:net';
import path from 'node:path';

/** What the setup leaves for the teardown: both run in the test runner's own process. */
export interface RunningStores {
  stop(): Promise<void>;
}

declare global {
  var aegisTestStores: RunningStores | undefined;
}

/**
 * One real PostgreSQL for the whole run, and a real Redis, Prometheus and HAProxy where they can be had. Tests find them
 * through `AEGIS_TEST_POSTGRES_URL`, `AEGIS_TEST_REDIS_SERVER` (a program), `AEGIS_TEST_REDIS_URL`,
 * `AEGIS_TEST_PROMETHEUS` and `AEGIS_TEST_HAPROXY` (programs).
 */
export default async function setUp(): Promise<void> {
  const { startOwnPostgres } = await loadPostgresSupport();
  const postgres = await startOwnPostgres();
  process.env.AEGIS_TEST_POSTGRES_URL = postgres.url;
  stopWithThisProcess(postgres.processId, postgres.folder);
  const stopRedis = findRedis();
  process.env.AEGIS_TEST_PROMETHEUS ??= findProgram('prometheus') ?? install('prometheus') ?? '';
  process.env.AEGIS_TEST_HAPROXY ??= findProgram('haproxy') ?? install('haproxy') ?? '';
  globalThis.aegisTestStores = {
    stop: async () => {
      stopRedis();
      await postgres.remove();
    },
  };
}

/** A run that is killed tears nothing down: a second process notices, by the end of a pipe, and does it. */
function stopWithThisProcess(serverProcessId: number, folder: string): void {
  const script = `
    const fs = require('node:fs');
    process.stdin.resume().on('end', () => {
      const lock = ${JSON.stringify(path.join(folder, 'postgres', 'data', 'postmaster.pid'))};
      if (fs.existsSync(lock)) process.kill(${serverProcessId}, 'SIGQUIT');
      const remove = () => fs.rmSync(${JSON.stringify(folder)}, { recursive: true, force: true, maxRetries: 10 });
      setTimeout(remove, 1000);
    });`;
  const watcher = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  watcher.unref();
  (watcher.stdin as Socket).unref();
}

/**
 * The test runner compiles what a setup imports, but resolves it as Node does, which finds no `x.ts` for the `x.js`
 * that the sources rightly write.
 */
async function loadPostgresSupport(): Promise<typeof import('./postgres.js')> {
  const resolver = Module as unknown as { _resolveFilename(request: string, ...rest: unknown[]): string };
  const original = resolver._resolveFilename;
  resolver._resolveFilename = (request, ...rest) => {
    try {
      return original.call(resolver, request, ...rest);
    } catch (error) {
      if (!request.startsWith('.') || !request.endsWith('.js')) throw error;
      return original.call(resolver, request.replace(/\.js$/, '.ts'), ...rest);
    }
  };
  try {
    require('reflect-metadata');
    return require('./postgres.js');
  } finally {
    resolver._resolveFilename = original;
  }
}

/** A given URL, else `redis-server` on the PATH, else one installed now, else a container. Returns how to end it. */
function findRedis(): () => void {
  const nothing = (): void => undefined;
  if (process.env.AEGIS_TEST_REDIS_URL) return nothing;
  const program = findProgram('redis-server') ?? install('redis-server');
  if (program !== null) {
    process.env.AEGIS_TEST_REDIS_SERVER = program;
    return nothing;
  }
  const container = startRedisContainer();
  if (container === null) return nothing;
  process.env.AEGIS_TEST_REDIS_URL = container.url;
  return () => void attempt('docker', ['rm', '--force', container.id]);
}

function findProgram(name: string): string | null {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** A program of Debian's package of the same name; null where it cannot be installed here. */
function install(program: string): string | null {
  if (process.getuid?.() !== 0 || findProgram('apt-get') === null) return null;
  process.stderr.write(`Installing ${program} for the tests …\n`);
  attempt('apt-get', ['update', '-qq']);
  // No service: the tests start servers of their own.
  attempt('apt-get', ['install', '-y', '-qq', '--no-install-recommends', program], {
    DEBIAN_FRONTEND: 'noninteractive',
    RUNLEVEL: '1',
  });
  return findProgram(program);
}

function startRedisContainer(): { readonly id: string; readonly url: string } | null {
  if (findProgram('docker') === null) return null;
  const id = attempt('docker', ['run', '--detach', '--rm', '--publish', '127.0.0.1::6379', 'redis:7-alpine'])?.trim();
  if (!id) return null;
  const address = attempt('docker', ['port', id, '6379/tcp'])?.trim().split('\n')[0];
  return address ? { id, url: `redis://${address}` } : null;
}

/** Standard output, or null where the command failed: the next way is tried then. */
function attempt(command: string, parameters: string[], environment: NodeJS.ProcessEnv = {}): string | null {
  try {
    return execFileSync(command, parameters, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 180_000,
      env: { ...process.env, ...environment },
    });
  } catch {
    return null;
  }
}
