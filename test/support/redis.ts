import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findFreePort } from './ports.js';

export interface TestRedis {
  readonly url: string;
  /** Stops answering without closing a connection; only a server of the suite's own can. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

const START_ATTEMPTS = 5;
const READY_DEADLINE_MS = 10_000;

const serverProgram = process.env.AEGIS_TEST_REDIS_SERVER ?? '';
const sharedUrl = process.env.AEGIS_TEST_REDIS_URL ?? '';

const canFreeze = serverProgram !== '';
const hasRedis = canFreeze || sharedUrl !== '';

/** A suite that needs a real Redis. A machine without one names it among what did not run, and CI fails there. */
export function describeWithRedis(name: string, suite: () => void): void {
  (hasRedis ? describe : describe.skip)(hasRedis ? name : `${name} (no Redis to be had here)`, suite);
}

/** A suite that freezes or restarts its Redis, and so needs the program itself. */
export function describeWithOwnRedis(name: string, suite: () => void): void {
  (canFreeze ? describe : describe.skip)(canFreeze ? name : `${name} (no redis-server on the PATH)`, suite);
}

/** An empty Redis for one suite: a server of its own where there is the program, else a database of the shared one. */
export async function startRedis(): Promise<TestRedis> {
  return canFreeze ? startOwnRedis(await findFreePort()) : useSharedRedis();
}

/** As `startRedis`, on a port known before: for a Redis that comes back. */
export async function startOwnRedis(port: number): Promise<TestRedis> {
  const folder = await mkdtemp(path.join(tmpdir(), 'aegis-redis-'));
  let lastOutput = '';
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    const parameters = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
    const server = spawn(serverProgram, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
    server.stdout.on('data', (chunk: Buffer) => {
      lastOutput = chunk.toString();
    });
    const url = `redis://127.0.0.1:${port}`;
    if (await isReady(server, url)) {
      return {
        url,
        freeze: () => void server.kill('SIGSTOP'),
        thaw: () => void server.kill('SIGCONT'),
        close: async () => {
          server.kill('SIGCONT');
          await end(server);
          await rm(folder, { recursive: true, force: true });
        },
      };
    }
    await end(server);
  }
  throw new Error(`redis-server does not start on port ${port}: ${lastOutput}`);
}

/** Numbers of the shared server's databases; one per worker of the test run. */
async function useSharedRedis(): Promise<TestRedis> {
  const url = new URL(sharedUrl);
  url.pathname = `/${Number(process.env.JEST_WORKER_ID ?? 1) % 16}`;
  const client = new Redis(url.toString());
  await client.flushdb();
  const refuse = (): never => {
    throw new Error('A shared Redis is not frozen: use describeWithOwnRedis');
  };
  return {
    url: url.toString(),
    freeze: refuse,
    thaw: refuse,
    close: async () => {
      await client.flushdb();
      client.disconnect();
    },
  };
}

async function isReady(server: ChildProcess, url: string): Promise<boolean> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (server.exitCode === null && Date.now() < deadline) {
    const client = new Redis(url, { lazyConnect: true, disconnectTimeout: 10, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.ping();
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    } finally {
      client.disconnect();
    }
  }
  return false;
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await ended;
}
