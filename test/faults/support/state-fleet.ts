import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import type { MintedKey } from '../../../src/cli/key-administration.service.js';
import type { Principal } from '../../../src/domain/principal.js';
import { buildOrder, PEPPER, type Replica, startReplica, waitUntil } from '../../integration/auth/replica.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { completionAnswer, ScriptableUpstream } from '../../support/scriptable-upstream.js';

/** What one answered request costs: three completion tokens at 1,000 USD a million. */
export const REQUEST_NANO_USD = 3_000_000n;
const READY_DEADLINE_MS = 30_000;

export interface Member {
  readonly url: string;
  readonly metricsUrl: string;
  readonly process: GatewayProcess;
}

/** What a client has of one request. */
export interface Reply {
  readonly id: string;
  /** 0 where no answer came, or only a part of one. */
  readonly status: number;
  /** The error's code; null where there is none. */
  readonly code: string | null;
  readonly elapsedMs: number;
  readonly provider: string | null;
}

export interface FleetOptions {
  /** As the gateways reach them; the operator beside them may take another way. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly operatorUrls?: { readonly databaseUrl: string; readonly redisUrl: string };
  readonly members?: number;
  /** Sections of gateway.yaml. */
  readonly gateway?: Readonly<Record<string, Record<string, unknown>>>;
}

/** Built gateways, a process each, on the stores of the test, in front of one upstream that answers at once. */
export class StateFleet {
  readonly members: Member[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'aegis-state-'));
  private readonly processes: GatewayProcess[] = [];
  private made = 0;

  private constructor(
    readonly upstream: ScriptableUpstream,
    /** What the command line has: it makes and ends keys beside the gateways. */
    readonly operator: Replica,
  ) {}

  static async start({ members = 3, ...options }: FleetOptions): Promise<StateFleet> {
    const upstream = await ScriptableUpstream.start();
    upstream.script({ ...completionAnswer('Hello'), delayMs: 5 });
    const operator = await startReplica(options.operatorUrls ?? options);
    const fleet = new StateFleet(upstream, operator);
    fleet.writeConfig(options);
    try {
      await Promise.all(Array.from({ length: members }, () => fleet.add()));
      if (options.redisUrl !== '') await waitUntil(() => operator.redis.isAvailable);
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  /** One more gateway, as soon as it listens. */
  async add(environment: Readonly<Record<string, string>> = {}): Promise<Member> {
    const member = await this.spawn(this.folder, environment);
    this.members.push(member);
    return member;
  }

  /** A gateway beside the others, with the same upstream and stores of its own. */
  addApart(options: FleetOptions): Promise<Member> {
    return this.spawn(this.writeConfig(options), {});
  }

  /** Ends a gateway and waits until it is gone. Its exit code; null where the signal itself ended it. */
  async end(member: Member, signal: NodeJS.Signals): Promise<number | null> {
    const place = this.members.indexOf(member);
    if (place >= 0) this.members.splice(place, 1);
    member.process.child.kill(signal);
    return member.process.exited;
  }

  /** A key without limits, but for the changes. */
  mint(changes: Partial<Principal> = {}): Promise<MintedKey> {
    const unlimited = { rpmLimit: null, maxParallelRequests: null, budgetNanoUsd: null, budgetWindow: null };
    return this.operator.administration.mint('test', buildOrder({ allowedModels: null, ...unlimited, ...changes }));
  }

  /** One chat request; never throws. */
  async ask(member: Member, key: string, body: object = {}, id = `r${++this.made}`): Promise<Reply> {
    const startedAtMs = performance.now();
    const make = (status: number, code: string | null, provider: string | null): Reply => ({
      id,
      status,
      code,
      provider,
      elapsedMs: performance.now() - startedAtMs,
    });
    try {
      const {
        statusCode,
        headers,
        body: answer,
      } = await request(`${member.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': id },
        // The id is the prompt: so the upstream, too, knows which request it has.
        body: JSON.stringify({ model: 'alias', max_tokens: 6, messages: [{ role: 'user', content: id }], ...body }),
      });
      const text = await answer.text();
      if (isStream(headers['content-type']) && !text.endsWith('data: [DONE]\n\n')) return make(0, null, null);
      const code = statusCode === 200 ? null : String(JSON.parse(text).error.code);
      return make(statusCode, code, headers['x-aegis-provider']?.toString() ?? null);
    } catch {
      return make(0, null, null);
    }
  }

  /** Which of this fleet's requests have reached the upstream, once for each time. */
  get upstreamIds(): string[] {
    return this.upstream.requests.map((received) => {
      const { messages } = received.json() as { messages: { content: string }[] };
      return messages[0]?.content ?? '';
    });
  }

  /** The sum of a metric's samples that carry all these labels. */
  async metric(member: Member, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await request(member.metricsUrl)).body.text();
    let sum = 0;
    for (const [, sample = '', value] of text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, 'gm'))) {
      if (Object.entries(labels).every(([label, word]) => sample.includes(`${label}="${word}"`))) sum += Number(value);
    }
    return sum;
  }

  /** Until a gateway takes requests. */
  async untilReady(member: Member, deadlineMs = READY_DEADLINE_MS): Promise<number> {
    return waitUntil(async () => (await probe(member, 'ready')) === 200, deadlineMs);
  }

  async close(): Promise<void> {
    for (const { child, exited } of this.processes) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await exited;
    }
    await this.operator.close();
    await this.upstream.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async spawn(configDirectory: string, environment: Readonly<Record<string, string>>): Promise<Member> {
    const process = spawnGateway({ AEGIS_CONFIG_DIR: configDirectory, ...environment });
    this.processes.push(process);
    const { url, metricsUrl } = await withinDeadline(process.logged('gateway is listening'), process);
    return { url: String(url), metricsUrl: String(metricsUrl), process };
  }

  /** Returns the folder: the first one is the fleet's own, later ones lie in it. */
  private writeConfig({ databaseUrl, redisUrl, gateway = {} }: FleetOptions): string {
    const folder = this.processes.length === 0 ? this.folder : mkdtempSync(join(this.folder, 'config-'));
    const provider = { type: 'openai', base_url: `${this.upstream.url}/v1`, api_key: 'credential' };
    const target = (name: string): object => ({ provider: name, model: 'm', classification_ceiling: 'RESTRICTED' });
    const files = {
      'gateway.yaml': {
        ...gateway,
        server: { host: '127.0.0.1', port: 0, graceful_shutdown: '5s' },
        telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info', ...gateway.telemetry },
        database: { url: databaseUrl, ...gateway.database },
        redis: { url: redisUrl },
        auth: { pepper: PEPPER, ...gateway.auth },
        accounting: { journal_dir: join(this.folder, 'journal'), ...gateway.accounting },
      },
      'providers.yaml': { providers: { first: provider, second: provider } },
      'models.yaml': {
        models: {
          alias: { primary: target('first') },
          pair: { primary: target('first'), fallback: [target('second')] },
        },
      },
      'pricing.yaml': {
        version: 'test',
        currency: 'USD',
        prices: ['first', 'second'].map((name) => ({ provider: name, model: 'm', input: '0', output: '1000' })),
      },
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), stringify(content));
    copyFileSync(join(process.cwd(), 'config', 'secret-rules.yaml'), join(folder, 'secret-rules.yaml'));
    return folder;
  }
}

async function withinDeadline<T>(promise: Promise<T>, process: GatewayProcess): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The gateway does not start:\n${process.output()}`)), READY_DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isStream(contentType: string | string[] | undefined): boolean {
  return String(contentType).includes('event-stream');
}

/** The status of a probe; 0 where nothing answers. */
export async function probe({ url }: Member, name: 'live' | 'ready'): Promise<number> {
  try {
    const answer = await request(`${url}/aegis/v1/health/${name}`);
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}

/** Memory of a gateway's process that is in use, in MiB. */
export function residentMebibytes({ process }: Member): number {
  const status = readFileSync(`/proc/${process.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
