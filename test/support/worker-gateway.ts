import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { stringify } from 'yaml';
import type { Principal } from '../../src/domain/principal.js';
import { buildOrder, PEPPER, type Replica, startReplica, waitUntil } from '../integration/auth/replica.js';
import { type GatewayProcess, spawnGateway } from './gateway-process.js';
import { createDatabase } from './postgres.js';
import { metricOf, type Samples, scrape } from './scrape.js';
import { completionAnswer, gatedStreamAnswer, ScriptableUpstream, streamAnswer } from './scriptable-upstream.js';

/** A connection for each request, so that workers take turns. */
const fresh = new Agent({ pipelining: 0 });

export interface WorkerOptions {
  readonly workers?: number | 'auto';
  readonly redisUrl?: string;
  /** Another PostgreSQL than a new database of the run's own. */
  readonly databaseUrl?: string;
  /** Sections of gateway.yaml, and providers' settings. */
  readonly gateway?: Readonly<Record<string, Record<string, unknown>>>;
  readonly provider?: Readonly<Record<string, unknown>>;
  /** False: it is only written down; `spawn` starts it. */
  readonly isStarted?: boolean;
}

/** What a process is started with: see `spawnGateway`. */
export interface Setting {
  readonly environment?: Readonly<Record<string, string>>;
  readonly through?: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The built gateway as several processes, in front of an upstream that answers at once. */
export class WorkerGateway {
  readonly folder = mkdtempSync(join(tmpdir(), 'aegis-workers-'));
  readonly configDirectory = join(this.folder, 'config');
  key = '';
  url = '';
  metricsUrl = '';
  private readonly spawned: { readonly process: GatewayProcess; readonly known: Set<number> }[] = [];
  private asked = 0;

  private constructor(
    private readonly options: WorkerOptions,
    private readonly databaseUrl: string,
    private readonly dropDatabase: () => Promise<void>,
    readonly upstream: ScriptableUpstream,
    /** What the command line has: it makes and ends keys beside the gateway. */
    readonly operator: Replica,
  ) {}

  static async start(options: WorkerOptions = {}): Promise<WorkerGateway> {
    const database = options.databaseUrl === undefined ? await createDatabase({ migrated: true }) : null;
    const databaseUrl = database?.url ?? options.databaseUrl ?? '';
    const upstream = await ScriptableUpstream.start();
    upstream.answerWith((received) => {
      const { stream } = received.json() as { stream?: boolean };
      return stream ? streamAnswer(['a', 'b', 'c']) : completionAnswer('hello');
    });
    const operator = await startReplica({ databaseUrl, redisUrl: options.redisUrl ?? '' });
    const drop = async (): Promise<void> => database?.drop();
    const gateway = new WorkerGateway(options, databaseUrl, drop, upstream, operator);
    mkdirSync(gateway.configDirectory);
    gateway.writeConfig();
    gateway.key = await gateway.mint();
    try {
      if (options.isStarted ?? true) await gateway.spawn();
    } catch (error) {
      await gateway.close();
      throw error;
    }
    return gateway;
  }

  /** The newest process that was started: the primary. */
  get process(): GatewayProcess {
    const process = this.spawned.at(-1)?.process;
    if (!process) throw new Error('nothing was started');
    return process;
  }

  /** Starts it, and waits until it listens. */
  async spawn(setting: Setting = {}): Promise<void> {
    const process = this.begin(setting);
    const { url, metricsUrl } = await process.logged('gateway is listening');
    this.url = String(url);
    this.metricsUrl = String(metricsUrl);
    this.workerPids();
  }

  /** Starts it, whatever comes of it. */
  begin({ environment = {}, through = [] }: Setting = {}): GatewayProcess {
    const process = spawnGateway({ AEGIS_CONFIG_DIR: this.configDirectory, ...environment }, through);
    this.spawned.push({ process, known: new Set() });
    return process;
  }

  /** The processes that the primary has started and that live. */
  workerPids(): number[] {
    const entry = this.spawned.at(-1);
    if (!entry) return [];
    const pids = listProcesses().flatMap(({ pid, parent, state }) =>
      parent === entry.process.child.pid && !state.startsWith('Z') ? pid : [],
    );
    for (const pid of pids) entry.known.add(pid);
    return pids;
  }

  /** Of all workers there were as far as anybody looked: those that still live. */
  survivors(): number[] {
    const living = new Set(listProcesses().flatMap(({ pid, state }) => (state.startsWith('Z') ? [] : pid)));
    return this.spawned.flatMap(({ known }) => [...known]).filter((pid) => living.has(pid));
  }

  /** Resolves once so many workers answer a scrape. */
  async untilServing(workers: number): Promise<void> {
    await waitUntil(async () => (await scrape(this.metricsUrl)).get('aegis_workers') === workers, 60_000);
    this.workerPids();
  }

  mint(changes: Partial<Principal> = {}): Promise<string> {
    const unlimited = { rpmLimit: null, maxParallelRequests: null, budgetNanoUsd: null, budgetWindow: null };
    const order = buildOrder({ allowedModels: null, ...unlimited, ...changes });
    return this.operator.administration.mint('test', order).then(({ key }) => key);
  }

  /** One request, on a connection of its own unless told otherwise. Status 0 where the answer did not come whole. */
  async ask(body: object = {}, { key = this.key, id = `r${++this.asked}`, dispatcher }: Asking = {}): Promise<Answer> {
    let text = '';
    try {
      const answer = await request(`${this.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': id },
        body: JSON.stringify({ model: 'alias', max_tokens: 6, messages: [{ role: 'user', content: id }], ...body }),
        dispatcher: dispatcher ?? fresh,
      });
      for await (const piece of answer.body.setEncoding('utf8')) text += piece;
      return { status: answer.statusCode, text };
    } catch {
      return { status: 0, text };
    }
  }

  /** Streams that are open when this returns, and end once the function that it returns is called. */
  async holdStreams(count: number): Promise<() => Promise<Answer[]>> {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.upstream.script(gatedStreamAnswer(gate));
    const streams = this.askMany(count, { stream: true });
    await waitUntil(async () => (await this.metric('aegis_streams_open')) === count);
    return () => {
      open();
      return streams;
    };
  }

  /** The same request so many times, all at once. */
  askMany(count: number, body: object = {}, asking: Asking = {}): Promise<Answer[]> {
    return Promise.all(Array.from({ length: count }, () => this.ask(body, asking)));
  }

  scrape(): Promise<Samples> {
    return scrape(this.metricsUrl);
  }

  /** The sum of all samples of a metric whose labels hold these. */
  async metric(name: string, ...labels: string[]): Promise<number> {
    const samples = [...(await this.scrape())].filter(
      ([sample]) => sample.replace(/\{[\s\S]*$/, '') === name && labels.every((label) => sample.includes(label)),
    );
    return samples.reduce((sum, [, value]) => sum + value, 0);
  }

  /** Log entries, of one worker where its number is given. */
  entries(message: string, worker?: number): Record<string, unknown>[] {
    return this.process
      .output()
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
      .filter((entry) => entry.msg === message && (worker === undefined || entry.worker === worker));
  }

  writeConfig(aliases: readonly string[] = ['alias'], gateway: WorkerOptions['gateway'] = {}): void {
    const { workers = 3, redisUrl = '', provider = {} } = this.options;
    const given = { ...this.options.gateway, ...gateway };
    const target = { provider: 'only', model: 'm', classification_ceiling: 'RESTRICTED' };
    const files = {
      'gateway.yaml': {
        ...given,
        // Not about overload: processes that have just begun on a busy machine are late.
        server: {
          host: '127.0.0.1',
          port: 0,
          graceful_shutdown: '60s',
          workers,
          overload: { target_delay: '0s' },
          ...given.server,
        },
        telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info', ...given.telemetry },
        database: { url: this.databaseUrl, ...given.database },
        redis: { url: redisUrl },
        auth: { pepper: PEPPER, max_failures_per_minute: 0, ...given.auth },
        accounting: { journal_dir: join(this.folder, 'journal'), ...given.accounting },
      },
      'providers.yaml': {
        providers: {
          only: { type: 'openai', base_url: `${this.upstream.url}/v1`, api_key: 'credential', ...provider },
        },
      },
      'models.yaml': { models: Object.fromEntries(aliases.map((alias) => [alias, { primary: target }])) },
      'pricing.yaml': { version: 'test', prices: [{ provider: 'only', model: 'm', input: '0', output: '1000' }] },
    };
    for (const [name, content] of Object.entries(files)) this.writeFile(name, stringify(content));
    copyFileSync(join(process.cwd(), 'config', 'secret-rules.yaml'), join(this.configDirectory, 'secret-rules.yaml'));
  }

  writeFile(name: string, text: string): void {
    writeFileSync(join(this.configDirectory, name), text);
  }

  async close(): Promise<void> {
    this.workerPids();
    for (const { process } of this.spawned) {
      process.child.kill('SIGCONT');
      process.child.kill('SIGKILL');
    }
    for (const pid of this.survivors()) {
      for (const signal of ['SIGCONT', 'SIGKILL'] as const) kill(pid, signal);
    }
    await waitUntil(() => this.survivors().length === 0);
    for (const { process } of this.spawned) await process.exited;
    await this.operator.close();
    await this.upstream.close();
    await this.dropDatabase();
    // What a killed worker had open is let go of a moment later.
    await sleep(50);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Asking {
  readonly key?: string;
  readonly id?: string;
  readonly dispatcher?: Dispatcher;
}

export function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

/** How often each metric is announced in a scrape: once, as Prometheus wants it. */
export async function countAnnouncements(metricsUrl: string): Promise<Map<string, number>> {
  const text = await (await request(metricsUrl)).body.text();
  const counts = new Map<string, number>();
  for (const [, name = ''] of text.matchAll(/^# TYPE (\S+) /gm)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const twice = series.length - new Set(series.map((line) => line.slice(0, line.lastIndexOf(' ')))).size;
  if (twice > 0) throw new Error(`${twice} series stand twice`);
  for (const line of series)
    if (!counts.has(metricOf(line)) && !counts.has(line.split(/[ {]/)[0] ?? '')) counts.set(line, 0);
  return counts;
}

function listProcesses(): { pid: number; parent: number; state: string }[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state = ''] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), state };
    });
}
