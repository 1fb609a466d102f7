import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dispatcher, request } from 'undici';
import { stringify } from 'yaml';
import type { MintedKey } from '../../../src/cli/key-administration.service.js';
import type { Principal } from '../../../src/domain/principal.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { brokenStreamAnswer, ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { buildOrder, PEPPER, type Replica, startReplica, waitUntil } from './replica.js';

export interface FleetMember {
  readonly url: string;
  readonly process: GatewayProcess;
}

export interface FleetOptions {
  readonly members?: number;
  readonly auth?: Record<string, unknown>;
}

/** Several built gateways, a process each, on one real PostgreSQL, one real Redis and one upstream that never ends an answer. */
export class Fleet {
  private constructor(
    readonly database: TestDatabase,
    readonly redis: TestRedis,
    readonly upstream: ScriptableUpstream,
    readonly members: readonly FleetMember[],
    /** What the command line has: it mints, changes and ends keys beside the gateways. */
    readonly operator: Replica,
    private readonly configDirectory: string,
  ) {}

  static async start({ members = 3, auth = {} }: FleetOptions = {}): Promise<Fleet> {
    const [database, redis, upstream] = await Promise.all([createDatabase(), startRedis(), ScriptableUpstream.start()]);
    upstream.answerWith((received) =>
      (received.json() as { stream?: boolean }).stream === true
        ? brokenStreamAnswer(['.'], 'stall')
        : { refuse: 'hang' },
    );
    const configDirectory = mkdtempSync(join(tmpdir(), 'aegis-fleet-'));
    writeConfig(configDirectory, upstream.url, {
      database: { url: database.url },
      redis: { url: redis.url },
      // Keys are asked about until they are refused: that many failures would have their address held back.
      auth: { pepper: PEPPER, max_failures_per_minute: 0, ...auth },
    });
    const processes = Array.from({ length: members }, () => spawnGateway({ AEGIS_CONFIG_DIR: configDirectory }));
    const started = await Promise.all(
      processes.map(async (process): Promise<FleetMember> => {
        const { url } = await process.logged('gateway is listening');
        await process.logged('Redis is reachable.');
        return { url: String(url), process };
      }),
    );
    const operator = await startReplica({ databaseUrl: database.url, redisUrl: redis.url });
    await waitUntil(() => operator.redis.isAvailable);
    return new Fleet(database, redis, upstream, started, operator, configDirectory);
  }

  /** Everything the gateways have written so far. */
  output(): string {
    return this.members.map(({ process }) => process.output()).join('');
  }

  /** Until everyone, each by its own probe, has noticed that Redis answers again. */
  async untilRedisIsBack(): Promise<void> {
    await waitUntil(() => this.operator.redis.isAvailable);
    for (const { url } of this.members) {
      await waitUntil(async () => {
        const answer = await request(`${url}/aegis/v1/health`);
        const health = (await answer.body.json()) as { details: { redis: { status: string } } };
        return health.details.redis.status === 'up';
      });
    }
  }

  mint(changes: Partial<Principal> = {}): Promise<MintedKey> {
    return this.operator.administration.mint(
      'test',
      buildOrder({
        allowedModels: null,
        rpmLimit: null,
        maxParallelRequests: null,
        budgetNanoUsd: null,
        budgetWindow: null,
        ...changes,
      }),
    );
  }

  async close(): Promise<void> {
    for (const { process } of this.members) {
      process.child.kill('SIGKILL');
      await process.exited;
    }
    await this.operator.close();
    await this.upstream.close();
    await this.redis.close();
    await this.database.drop();
    rmSync(this.configDirectory, { recursive: true, force: true });
  }
}

/** The status a key gets for the cheapest request there is. */
export async function statusFor({ url }: FleetMember, key: string): Promise<number> {
  const answer = await request(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  await answer.body.dump();
  return answer.statusCode;
}

/** A stream that has begun. */
export interface OpenStream {
  /** All of it, as soon as it has ended, whichever way. */
  readonly ended: Promise<{ text: string; afterMs: number }>;
}

/** Resolves once the first content is there. */
export async function openStream(member: FleetMember, key: string): Promise<OpenStream> {
  const answer = await chat(member, key, true);
  const startedAtMs = performance.now();
  let text = '';
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = (async () => {
    try {
      for await (const piece of answer.body) {
        text += String(piece);
        if (text.includes('"."')) begin();
      }
    } catch {
      // A connection that is cut: that is how a stream ends that is not whole.
    }
    begin();
    return { text, afterMs: performance.now() - startedAtMs };
  })();
  await begun;
  return { ended };
}

/** A chat request; the answer's head as soon as it is there. */
export function chat(member: FleetMember, key: string, stream: boolean): Promise<Dispatcher.ResponseData> {
  return request(`${member.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'alias', stream, messages: [{ role: 'user', content: 'hi' }] }),
  });
}

function writeConfig(directory: string, upstreamUrl: string, gateway: Record<string, unknown>): void {
  const files = {
    'gateway.yaml': {
      server: { host: '127.0.0.1', port: 0, graceful_shutdown: '1s' },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'trace' },
      ...gateway,
    },
    'providers.yaml': { providers: { only: { type: 'openai', base_url: `${upstreamUrl}/v1`, api_key: 'credential' } } },
    'models.yaml': {
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'RESTRICTED' } } },
    },
    'pricing.yaml': {
      version: 'test',
      currency: 'USD',
      prices: [{ provider: 'only', model: 'm', input: '0', output: '0' }],
    },
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), stringify(content));
  copyFileSync(join(process.cwd(), 'config', 'secret-rules.yaml'), join(directory, 'secret-rules.yaml'));
}
