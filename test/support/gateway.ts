import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { stringify } from 'yaml';
import { generateSigningKey } from '../../src/audit/signing-key.js';
import { generateApiKey, hashApiKey } from '../../src/auth/api-key.js';
import { type Gateway, startGateway } from '../../src/bootstrap.js';
import { SnapshotService } from '../../src/config/snapshot.service.js';
import { ApiKeyRepository } from '../../src/database/api-key.repository.js';
import type { Principal } from '../../src/domain/principal.js';
import { createDatabase } from './postgres.js';
import { makePrincipal } from './principals.js';

const PEPPER = 'a pepper that is used in tests only';
const KEY_ENVIRONMENT = 'test';
const AUDIT_KEY = 'audit-signing-key.pem';

/** The files as objects; what is left out is what a gateway without any provider needs. */
export interface TestConfig {
  readonly gateway?: Record<string, unknown>;
  readonly providers?: Record<string, unknown>;
  readonly models?: Record<string, unknown>;
  /** `provider/model` that cost nothing; the simulator's is there already. */
  readonly freeModels?: readonly string[];
  /** `provider/model` → USD a million prompt and completion tokens. */
  readonly prices?: Readonly<
    Record<string, { readonly input: string; readonly output: string; readonly as_of?: string }>
  >;
  /** Files of rules as they stand, e.g. `secret-rules.yaml`; where that is absent, the shipped one. */
  readonly rules?: Readonly<Record<string, string>>;
}

export interface TestGateway {
  readonly url: string;
  readonly metricsUrl: string;
  /** A key that may do everything up to RESTRICTED and starts at INTERNAL. */
  readonly key: string;
  readonly configDirectory: string;
  readonly gateway: Gateway;
  /** The official SDK, pointed at this gateway; it does not retry unless told to. */
  openai(key?: string): OpenAI;
  mintKey(changes?: Partial<Principal>): Promise<string>;
  /** A key of the right form that no store knows. */
  unknownKey(): string;
  /** Writes new files and waits until the gateway has dealt with them. */
  reload(config: TestConfig): Promise<'applied' | 'rejected' | 'unchanged'>;
  close(): Promise<void>;
}

const SIMULATOR = { simulator: { type: 'simulator' } };

const DEFAULT_MODELS = {
  'test-model': { primary: { provider: 'simulator', model: 'simulator', classification_ceiling: 'RESTRICTED' } },
  'public-only': { primary: { provider: 'simulator', model: 'simulator', classification_ceiling: 'PUBLIC' } },
  unconfigured: { primary: { provider: 'keyless', model: 'gpt-4o-mini', classification_ceiling: 'RESTRICTED' } },
};

const DEFAULT_PROVIDERS = {
  ...SIMULATOR,
  keyless: { type: 'openai', base_url: 'https://api.openai.com/v1', api_key: '' },
};

/** A whole gateway in this process: its own database, its own configuration folder, ports from the system. */
export async function startTestGateway(config: TestConfig = {}): Promise<TestGateway> {
  const database = await createDatabase({ migrated: true });
  const configDirectory = mkdtempSync(join(tmpdir(), 'aegis-config-'));
  writeFileSync(join(configDirectory, AUDIT_KEY), generateSigningKey(), { mode: 0o600 });
  writeConfig(configDirectory, config, database.url);
  const gateway = await startGateway({ configDirectory, environment: { NODE_ENV: 'test' } });
  // Files are also written here for a gateway in a process of its own: this one's log stays as quiet as it began.
  Object.assign(gateway.logger, { apply: () => undefined });
  const keys = gateway.app.get(ApiKeyRepository, { strict: false });

  const mintKey = async (changes: Partial<Principal> = {}): Promise<string> => {
    const { key, prefix } = generateApiKey(KEY_ENVIRONMENT);
    const { keyId: _made, ...principal } = makePrincipal({ keyPrefix: prefix, ...changes });
    await keys.create({ ...principal, keyHash: hashApiKey(key, PEPPER) });
    return key;
  };
  const key = await mintKey();

  return {
    url: gateway.url,
    metricsUrl: gateway.metricsUrl,
    key,
    configDirectory,
    gateway,
    openai: (apiKey = key) => new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 }),
    mintKey,
    unknownKey: () => generateApiKey(KEY_ENVIRONMENT).key,
    reload: (changed) => {
      writeConfig(configDirectory, changed, database.url);
      return gateway.app.get(SnapshotService).reload('request');
    },
    close: async () => {
      await gateway.shutDown();
      await database.drop();
      rmSync(configDirectory, { recursive: true, force: true });
    },
  };
}

function writeConfig(directory: string, config: TestConfig, databaseUrl: string): void {
  const gateway = {
    telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'silent' },
    ...config.gateway,
    server: {
      ...(config.gateway?.server ?? { host: '127.0.0.1', port: 0, graceful_shutdown: '2s' }),
      // The event loop is the test's own too: how late it is says nothing of the gateway.
      overload: { target_delay: '0s', ...(config.gateway?.server as { overload?: object } | undefined)?.overload },
    },
    database: { url: databaseUrl },
    auth: { ...(config.gateway?.auth as object | undefined), pepper: PEPPER },
    accounting: { journal_dir: join(directory, 'journal'), ...(config.gateway?.accounting as object | undefined) },
    audit: { signing_key_file: join(directory, AUDIT_KEY), ...(config.gateway?.audit as object | undefined) },
  };
  const free = ['simulator/simulator', ...(config.freeModels ?? (config.providers ? [] : ['keyless/gpt-4o-mini']))];
  const files = {
    'gateway.yaml': gateway,
    'providers.yaml': { providers: { ...SIMULATOR, ...(config.providers ?? DEFAULT_PROVIDERS) } },
    'models.yaml': { models: config.models ?? DEFAULT_MODELS },
    'pricing.yaml': pricing(free, config.prices ?? {}),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), stringify(content));
  copyFileSync(join(process.cwd(), 'config', 'secret-rules.yaml'), join(directory, 'secret-rules.yaml'));
  for (const [name, text] of Object.entries(config.rules ?? {})) writeFileSync(join(directory, name), text);
}

function pricing(freeModels: readonly string[], priced: NonNullable<TestConfig['prices']>): object {
  const free = freeModels.map((name) => [name, { input: '0', output: '0' }] as const);
  const prices = [...free, ...Object.entries(priced)].map(([name, price]) => {
    const slash = name.indexOf('/');
    return { provider: name.slice(0, slash), model: name.slice(slash + 1), ...price };
  });
  return { version: 'test', currency: 'USD', prices };
}
