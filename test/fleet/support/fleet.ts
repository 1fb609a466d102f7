import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import type { MintedKey } from '../../../src/cli/key-administration.service.js';
import type { Principal } from '../../../src/domain/principal.js';
import { buildOrder, PEPPER, type Replica, startReplica, waitUntil } from '../../integration/auth/replica.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { startBalancer, type TestBalancer } from '../../support/haproxy.js';
import { findFreePort } from '../../support/ports.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { startOwnRedis, type TestRedis } from '../../support/redis.js';
import { completionAnswer, ScriptableUpstream, streamAnswer } from '../../support/scriptable-upstream.js';
import type { FleetTimings } from './options.js';

const NAMES = ['gateway-1', 'gateway-2', 'gateway-3'];
const WORDS = Array.from({ length: 20 }, (_, index) => `word-${index} `);
const START_MS = 60_000;
const SETTLED_MS = 60_000;
/** Each of an answer's three tokens. */
export const ANSWER_NANO_USD = 3_000_000n;

export interface Member {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  process: GatewayProcess;
}

/** Three built gateways behind the balancer as it is shipped, on one PostgreSQL, one Redis, one volume for journals. */
export class ServedFleet {
  readonly members: Member[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'aegis-fleet-'));
  private readonly configDirectory = join(this.folder, 'config');

  private closing: Promise<void> | null = null;
  private running: TestBalancer | null = null;

  private constructor(
    readonly timings: FleetTimings,
    readonly database: TestDatabase,
    private redis: TestRedis,
    private readonly redisPort: number,
    readonly upstream: ScriptableUpstream,
    /** What the command line has: it makes and ends keys beside the gateways. */
    readonly operator: Replica,
  ) {}

  static async start(timings: FleetTimings): Promise<ServedFleet> {
    const redisPort = await findFreePort();
    const [database, redis, upstream] = await Promise.all([
      createDatabase({ migrated: true }),
      startOwnRedis(redisPort),
      ScriptableUpstream.start(),
    ]);
    const { streamMs, answerMs } = timings;
    upstream.answerWith((received) =>
      (received.json() as { stream?: boolean }).stream === true
        ? { ...streamAnswer(WORDS), pieceDelayMs: streamMs / (WORDS.length + 2) }
        : { ...completionAnswer('Hello'), delayMs: answerMs },
    );
    const ports = [await findFreePort(), await findFreePort(), await findFreePort()];
    const fleet = new ServedFleet(
      timings,
      database,
      redis,
      redisPort,
      upstream,
      await startReplica({ databaseUrl: database.url, redisUrl: redis.url }),
    );
    try {
      await fleet.begin(ports);
    } catch (problem) {
      await fleet.close();
      throw problem;
    }
    return fleet;
  }

  private async begin(ports: readonly number[]): Promise<void> {
    const { checkMs, from } = this.timings;
    mkdirSync(this.configDirectory);
    this.writeConfig([]);
    this.running = await startBalancer(ports, (config) => config.replace('check inter 1s', `check inter ${checkMs}ms`));
    for (const [index, name] of NAMES.entries()) {
      const port = ports[index] ?? 0;
      this.members.push({ name, port, url: `http://127.0.0.1:${port}`, process: this.spawn(port, from) });
    }
    for (const member of this.members) await this.listening(member);
    await this.balancer.untilUp(...NAMES);
  }

  get balancer(): TestBalancer {
    if (!this.running) throw new Error('the balancer does not run yet');
    return this.running;
  }

  /** Where clients ask. */
  get url(): string {
    return this.balancer.url;
  }

  member(index: number): Member {
    const member = this.members[index % this.members.length];
    if (!member) throw new Error('the fleet has no members');
    return member;
  }

  /** Starts it anew, in its place, from this checkout. Resolves once the balancer sends requests to it. */
  async restart(member: Member): Promise<void> {
    member.process = this.spawn(member.port);
    await this.listening(member);
    await this.balancer.untilUp(...NAMES);
  }

  /** Until the balancer sends nothing to it any more. */
  untilDown(member: Member): Promise<void> {
    return this.balancer.untilUp(...NAMES.filter((name) => name !== member.name));
  }

  /** The most requests that it was answering at a time in the last moments, as the balancer counts them. */
  async openAt({ name }: Member): Promise<number> {
    const counts: number[] = [];
    for (let turn = 0; turn < 5; turn += 1) counts.push(await this.balancer.open(name));
    return Math.max(...counts);
  }

  /** A key without limits, but for the changes. */
  mint(changes: Partial<Principal> = {}): Promise<MintedKey> {
    const unlimited = { rpmLimit: null, maxParallelRequests: null, budgetNanoUsd: null, budgetWindow: null };
    return this.operator.administration.mint('test', buildOrder({ allowedModels: null, ...unlimited, ...changes }));
  }

  /** The configuration of all, with these aliases besides. */
  writeConfig(aliases: readonly string[]): void {
    const { graceMs, drainMs } = this.timings;
    const target = { provider: 'only', model: 'm', classification_ceiling: 'RESTRICTED' };
    const files = {
      'gateway.yaml': {
        server: {
          host: '127.0.0.1',
          port: `\${GATEWAY_PORT}`,
          trusted_proxies: ['127.0.0.1'],
          shutdown_grace: `${graceMs}ms`,
          graceful_shutdown: `${drainMs}ms`,
          // The machine is the balancer's, the clients' and the provider's, too: who is late here has not too much to do.
          overload: { target_delay: '0s' },
        },
        telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
        database: { url: this.database.url },
        redis: { url: `redis://127.0.0.1:${this.redisPort}` },
        // Keys are asked about until they are refused: that many failures would have their address held back.
        auth: { pepper: PEPPER, max_failures_per_minute: 0 },
        accounting: { journal_dir: join(this.folder, 'journal') },
      },
      'providers.yaml': {
        providers: { only: { type: 'openai', base_url: `${this.upstream.url}/v1`, api_key: 'credential' } },
      },
      'models.yaml': {
        models: Object.fromEntries(['alias', ...aliases].map((alias) => [alias, { primary: { ...target } }])),
      },
      'pricing.yaml': { version: 'test', prices: [{ provider: 'only', model: 'm', input: '0', output: '1000' }] },
    };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(this.configDirectory, name), stringify(content, { aliasDuplicateObjects: false }));
    }
    copyFileSync(join(process.cwd(), 'config', 'secret-rules.yaml'), join(this.configDirectory, 'secret-rules.yaml'));
  }

  async models({ url }: Member, key: string): Promise<string[]> {
    const answer = await request(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    const { data = [] } = (await answer.body.json()) as { data?: { id: string }[] };
    return data.map(({ id }) => id);
  }

  /** How each gateway finds Redis: `up`, or what else its summary says. */
  async redisStates(): Promise<string[]> {
    const states = this.members.map(async ({ url }) => {
      const answer = await request(`${url}/aegis/v1/health`);
      return ((await answer.body.json()) as { details: { redis: { status: string } } }).details.redis.status;
    });
    return Promise.all(states);
  }

  endRedis(): Promise<void> {
    return this.redis.close();
  }

  async startRedis(): Promise<void> {
    this.redis = await startOwnRedis(this.redisPort);
    await waitUntil(() => this.operator.redis.isAvailable);
  }

  /** Requests that ended so, by their server, as the balancer logged them. */
  findAborted(): Map<string, number> {
    const counts = new Map<string, number>();
    // The first letter says who ended it early: S, the server; the second whether its answer had begun.
    for (const [, server = ''] of this.balancer.output().matchAll(/ S[A-Z]\S* gateways\/(\S+) /g)) {
      counts.set(server, (counts.get(server) ?? 0) + 1);
    }
    return counts;
  }

  /** How requests ended, by what the ledger says, in the end: each as its ending and code. */
  async endingsOf(ids: readonly string[]): Promise<string[]> {
    const find = (): Promise<{ ending: string; code: string | null }[]> =>
      this.database.query('SELECT ending, code FROM usage_request WHERE request_id = ANY ($1)', [ids]);
    await waitUntil(async () => (await find()).length >= ids.length, SETTLED_MS).catch(() => undefined);
    return (await find()).map(({ ending, code }) => (code === null ? ending : `${ending} ${code}`));
  }

  /** Of what the provider was asked and of these requests, those that are not in the ledger, or more than once, in the end. */
  async compareLedger(answered: readonly string[]): Promise<{ readonly missing: number; readonly twice: number }> {
    const asked = this.upstream.requests.map((received) => {
      const { messages } = received.json() as { messages: { content: string }[] };
      return messages[0]?.content ?? '';
    });
    const wanted = [...new Set([...asked, ...answered])];
    const compare = async (): Promise<{ readonly missing: number; readonly twice: number }> => {
      const rows = await this.database.query<{ id: string }>('SELECT request_id AS id FROM usage_request');
      const there = new Set(rows.map(({ id }) => id));
      return { missing: wanted.filter((id) => !there.has(id)).length, twice: rows.length - there.size };
    };
    // What waits in a journal, that of a dead process too, gets there by itself.
    await waitUntil(async () => (await compare()).missing === 0, SETTLED_MS).catch(() => undefined);
    return compare();
  }

  /** Once, however often it is asked for. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    for (const { process } of this.members) {
      process.child.kill('SIGKILL');
      await process.exited;
    }
    await this.running?.close();
    await this.operator.close();
    await this.upstream.close();
    await this.redis.close();
    await this.database.drop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private spawn(port: number, checkout = ''): GatewayProcess {
    const environment = { AEGIS_CONFIG_DIR: this.configDirectory, GATEWAY_PORT: String(port) };
    return spawnGateway(environment, [], checkout || process.cwd());
  }

  private async listening({ name, process }: Member): Promise<void> {
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      process.child.kill('SIGKILL');
    }, START_MS);
    try {
      await process.logged('gateway is listening');
    } catch (problem) {
      throw new Error(`${name} ${isLate ? 'takes too long to start' : 'does not start'}`, { cause: problem });
    } finally {
      clearTimeout(late);
    }
  }
}
