import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { findFreePort } from './ports.js';

const READY_DEADLINE_MS = 20_000;
const program = process.env.AEGIS_TEST_REDIS_SERVER ?? '';

/** Several real servers that belong together. */
export class RedisSite {
  private readonly folder = mkdtempSync(join(tmpdir(), 'aegis-redis-site-'));
  private readonly servers = new Map<number, { process: ChildProcess; readonly parameters: readonly string[] }>();
  private readonly clients: Redis[] = [];

  /** A server that answers; its port. `options`: how a client reaches it. */
  async start(parameters: readonly string[], options: RedisOptions = {}): Promise<number> {
    const port = await findFreePort();
    const folder = mkdtempSync(join(this.folder, 'server-'));
    const where = options.tls ? ['--port', '0', '--tls-port', `${port}`] : ['--port', `${port}`];
    const all = [...where, '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...parameters];
    this.servers.set(port, { process: this.spawn(all), parameters: all });
    return this.untilReady(port, options);
  }

  /** A Sentinel that watches a master; its port. `options`: how a client reaches it. */
  async startSentinel(
    name: string,
    masterPort: number,
    settings: readonly string[] = [],
    options: RedisOptions = {},
  ): Promise<number> {
    const port = await findFreePort();
    const file = join(this.folder, `sentinel-${port}.conf`);
    const lines = [
      ...(options.tls ? ['port 0', `tls-port ${port}`] : [`port ${port}`]),
      'bind 127.0.0.1',
      `dir ${this.folder}`,
      `sentinel monitor ${name} 127.0.0.1 ${masterPort} 2`,
      `sentinel down-after-milliseconds ${name} 1000`,
      `sentinel failover-timeout ${name} 5000`,
      ...settings,
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const parameters = [file, '--sentinel'];
    this.servers.set(port, { process: this.spawn(parameters), parameters });
    return this.untilReady(port, options);
  }

  /** A connection beside the code under test. */
  client(port: number, options: RedisOptions = {}): Redis {
    const client = new Redis({
      host: '127.0.0.1',
      port,
      retryStrategy: () => 50,
      maxRetriesPerRequest: null,
      ...options,
    });
    client.on('error', () => undefined);
    this.clients.push(client);
    return client;
  }

  async kill(port: number): Promise<void> {
    const server = this.servers.get(port)?.process;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
  }

  /** Starts again what was killed, with the folder that it left. */
  restart(port: number): void {
    const server = this.servers.get(port);
    if (server) server.process = this.spawn(server.parameters);
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    for (const port of this.servers.keys()) await this.kill(port);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async untilReady(port: number, options: RedisOptions = {}): Promise<number> {
    const client = this.client(port, options);
    const server = this.servers.get(port)?.process;
    const ended = new Promise((_, reject) => {
      server?.once('exit', () => reject(new Error(`the server on port ${port} ended`)));
    });
    await Promise.race([client.ping(), ended]);
    return port;
  }

  private spawn(parameters: readonly string[]): ChildProcess {
    return spawn(program, parameters, { stdio: 'ignore' });
  }
}

export interface SentinelSite {
  readonly site: RedisSite;
  /** Of the master and its replica. */
  readonly ports: readonly [number, number];
  readonly sentinels: readonly number[];
}

/** A master and its replica with a password, and three Sentinels that know it as `main`. */
export async function startSentinels(
  password: string,
  parameters: readonly string[] = [],
  { tls }: RedisOptions = {},
): Promise<SentinelSite> {
  const site = new RedisSite();
  const settings = ['--requirepass', password, '--masterauth', password, ...parameters];
  const unlocked = tls ? { tls } : {};
  const options = { password, ...unlocked };
  const master = await site.start(settings, options);
  const replica = await site.start([...settings, '--replicaof', '127.0.0.1', `${master}`], options);
  await until(async () => /master_link_status:up/.test(await site.client(replica, options).info('replication')));
  const sentinels: number[] = [];
  const lines = [...linesOf(parameters), `sentinel auth-pass main "${password}"`];
  while (sentinels.length < 3) sentinels.push(await site.startSentinel('main', master, lines, unlocked));
  const first = site.client(sentinels[0] ?? 0, unlocked);
  await until(async () => {
    const state = String(await first.call('SENTINEL', 'MASTER', 'main'));
    return /num-slaves,1/.test(state) && /num-other-sentinels,2/.test(state);
  });
  return { site, ports: [master, replica], sentinels };
}

/** `--name value …`, as a file has it. */
function linesOf(parameters: readonly string[]): string[] {
  return parameters
    .join(' ')
    .split(/(?:^| )--/)
    .filter((line) => line !== '');
}

export interface ClusterSite {
  readonly site: RedisSite;
  /** Of the masters, the first of which has a replica. */
  readonly ports: readonly number[];
}

/** Three masters, and a replica of the first. */
export async function startCluster(
  parameters: readonly string[] = [],
  options: RedisOptions = {},
): Promise<ClusterSite> {
  const site = new RedisSite();
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', ...parameters];
  const ports: number[] = [];
  while (ports.length < 4) {
    const port = await site.start([...settings, '--cluster-config-file', `nodes-${ports.length}.conf`], options);
    ports.push(port);
  }
  const nodes = ports.map((port) => site.client(port, options));
  const [first] = nodes;
  if (!first) throw new Error('no node');
  const bounds = [0, 5_461, 10_923, 16_384];
  await Promise.all(
    bounds
      .slice(0, 3)
      .map((from, index) => nodes[index]?.call('CLUSTER', 'ADDSLOTSRANGE', from, (bounds[index + 1] ?? 0) - 1)),
  );
  for (const [index, node] of nodes.entries()) await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  for (const port of ports.slice(1)) await first.call('CLUSTER', 'MEET', '127.0.0.1', port);
  const id = String(await first.call('CLUSTER', 'MYID'));
  await until(async () => String(await nodes[3]?.call('CLUSTER', 'NODES')).includes(id));
  await until(async () => (await nodes[3]?.call('CLUSTER', 'REPLICATE', id).catch(() => null)) === 'OK');
  await until(async () => {
    const states = await Promise.all(nodes.map((node) => node.call('CLUSTER', 'INFO')));
    return states.every(
      (state) => /cluster_state:ok/.test(String(state)) && /cluster_known_nodes:4/.test(String(state)),
    );
  });
  await until(async () => /master_link_status:up/.test(String(await nodes[3]?.info('replication'))));
  return { site, ports: ports.slice(0, 3) };
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('the servers do not come together');
    await sleep(50);
  }
}
