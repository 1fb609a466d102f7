/**
 * What the soak runs: a gateway as production has it (the built `dist`, NODE_ENV=production, config/production with
 * every control on), its stores, its providers, and keys of every kind.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { inRoot } from '../../scripts/lib/paths.mjs';
import { findFreePort } from '../../scripts/lib/ports.mjs';
import { endChild, spawnUntil } from '../bench/gateway/processes.mjs';
import { PostgresServer, RedisServer, runCli, until } from './stores.mjs';

const PRODUCTION = inRoot('config', 'production');
const here = (name) => path.join(import.meta.dirname, name);

/** Nano-USD for a token, as pricing.yaml below says it in USD for a million. */
export const PRICES = {
  alpha: { prompt: 1_000n, completion: 2_000n },
  beta: { prompt: 3_000n, completion: 15_000n },
  gamma: { prompt: 500n, completion: 500n },
};
const MODELS_OF = { alpha: 'alpha-large', beta: 'beta-large', gamma: 'gamma-large' };
const TYPES = { alpha: 'openai', beta: 'anthropic', gamma: 'openai_compatible' };

/** Every kind of limit: never reached, often reached, spent. */
const KEYS = {
  plain: [],
  bounded: ['--rpm', '10000000', '--tpm', '1000000000', '--max-parallel', '10000', '--budget-usd', '100000'],
  tight: ['--rpm', '90', '--max-parallel', '3'],
  poor: ['--budget-usd', '0.02', '--budget-window', 'month'],
};

const target = (provider) => ({ provider, model: MODELS_OF[provider], classification_ceiling: 'CONFIDENTIAL' });

/** models.yaml; with one alias more, for a reload. */
export const modelsWith = (more = []) =>
  stringify({
    models: {
      chat: { primary: target('alpha'), fallback: [target('beta')] },
      claude: { primary: target('beta'), fallback: [target('alpha')] },
      solo: { primary: target('gamma') },
      ...Object.fromEntries(more.map((alias) => [alias, { primary: target('alpha') }])),
    },
  });

function writeConfiguration(folder, { ports, upstreamUrl, workers }) {
  cpSync(PRODUCTION, folder, { recursive: true });
  const gateway = parse(readFileSync(path.join(PRODUCTION, 'gateway.yaml'), 'utf8'));
  Object.assign(gateway.server, { host: '127.0.0.1', port: ports.gateway, shutdown_grace: '1s', workers });
  Object.assign(gateway.telemetry, {
    metrics_host: '127.0.0.1',
    metrics_port: ports.metrics,
    otlp_endpoint: `${upstreamUrl}/otlp`,
  });
  // Short, so that what times out does so often.
  Object.assign(gateway.routing, {
    connect_timeout: '1s',
    first_byte_timeout: '3s',
    first_content_timeout: '3s',
    idle_timeout: '3s',
  });
  Object.assign(gateway.filters.personal_data, { enabled: true, response_action: 'flag' });
  const price = (nano) => Number(nano) / 1_000;
  const files = {
    gateway: stringify(gateway),
    providers: stringify({
      providers: Object.fromEntries(
        Object.entries(TYPES).map(([name, type]) => [
          name,
          { type, base_url: `${upstreamUrl}/${name}/v1`, api_key: 'soak', max_concurrent: 500 },
        ]),
      ),
    }),
    models: modelsWith(),
    pricing: stringify({
      version: 'soak',
      prices: Object.entries(PRICES).map(([provider, { prompt, completion }]) => ({
        provider,
        model: MODELS_OF[provider],
        input: price(prompt),
        output: price(completion),
      })),
    }),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, `${name}.yaml`), content);
}

const readChildren = (pid) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);

async function startProviders() {
  const child = fork(here('provider.mjs'), { env: { PATH: process.env.PATH, NODE_ENV: 'production' } });
  const [{ port }] = await once(child, 'message');
  let last = 0;
  const waiting = new Map();
  child.on('message', ({ id, result }) => waiting.get(id)?.(result));
  const ask = (action, parameters = {}) =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      child.send({ id: last, action, ...parameters });
    });
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    leave: (provider) => ask('leave', { provider }),
    return: (provider) => ask('return', { provider }),
    readBooks: async () => new Map(await ask('books')),
    stop: () => endChild(child),
  };
}

export class Site {
  keys = {};
  endings = [];

  constructor(workers) {
    this.workers = workers;
  }

  static async start(workers) {
    const site = new Site(workers);
    try {
      await site.build();
      return site;
    } catch (problem) {
      await site.close();
      throw problem;
    }
  }

  async build() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'aegis-soak-'));
    this.endings.push(() => rmSync(this.folder, { recursive: true, force: true }));
    // The database's own account must come in.
    chmodSync(this.folder, 0o755);
    this.postgres = await PostgresServer.start(this.folder);
    this.endings.push(() => this.postgres.remove());
    this.redis = await RedisServer.start(this.folder);
    this.endings.push(() => this.redis.halt());
    this.providers = await startProviders();
    this.endings.push(() => this.providers.stop());
    this.configFolder = path.join(this.folder, 'config');
    this.journalFolder = path.join(this.folder, 'journal');
    this.probeFile = path.join(this.folder, 'probe.json');
    this.logFile = path.join(this.folder, 'gateway.log');
    mkdirSync(this.configFolder);
    const ports = { gateway: await findFreePort(), metrics: await findFreePort() };
    writeConfiguration(this.configFolder, { ports, upstreamUrl: this.providers.url, workers: this.workers });
    Object.assign(this, { ports, url: `http://127.0.0.1:${ports.gateway}` });
    await this.startGateway();
    this.organization = 'soak';
    for (const [name, limits] of Object.entries(KEYS)) this.keys[name] = await this.mint(name, ...limits);
  }

  async startGateway() {
    const { PATH, HOME } = process.env;
    const signingKey = path.join(this.folder, 'signing-key.pem');
    this.environment = {
      PATH,
      ...(HOME && { HOME }),
      NODE_ENV: 'production',
      AEGIS_CONFIG_DIR: this.configFolder,
      AEGIS_DATA_DIR: path.join(this.folder, 'data'),
      AEGIS_JOURNAL_DIR: this.journalFolder,
      AEGIS_AUDIT_KEY_FILE: signingKey,
      AEGIS_KEY_PEPPER: randomBytes(32).toString('hex'),
      DATABASE_URL: this.postgres.url,
      REDIS_URL: this.redis.url,
    };
    await this.operate('audit', 'keygen', '--output', signingKey);
    const isReady = () => this.probe('ready').then((status) => status === 200);
    const log = openSync(this.logFile, 'a');
    const flags = ['--enable-source-maps', '--expose-gc', '--import', here('probe.mjs')];
    this.gateway = await spawnUntil(isReady, process.execPath, [...flags, inRoot('dist', 'src', 'main.js')], {
      env: { ...this.environment, SOAK_PROBE_FILE: this.probeFile },
      stdio: ['ignore', log, log],
    });
    this.endings.push(() => endChild(this.gateway));
  }

  /** Each process of the gateway: with several workers the primary, and those that serve. */
  get processes() {
    const { pid } = this.gateway;
    return [pid, ...(this.workers === 1 ? [] : readChildren(pid))];
  }

  /** Runs a command as an operator would; throws where it fails. */
  async operate(...parameters) {
    const { code, output, said } = await runCli(this.environment, ...parameters);
    if (code !== 0) throw new Error(`aegis ${parameters.join(' ')} ended with ${code}: ${said}${output}`);
    return output;
  }

  /** The same, where the exit code is an answer. */
  run(...parameters) {
    return runCli(this.environment, ...parameters);
  }

  async mint(name, ...limits) {
    const order = ['keygen', '--org', this.organization, '--team', name, '--name', name, '--json', ...limits];
    const { id, key } = JSON.parse(await this.operate(...order));
    return { name, id, key };
  }

  /** The status of a probe; 0 where nothing answers. */
  async probe(name) {
    try {
      const answer = await fetch(`${this.url}/aegis/v1/health/${name}`, { headers: { connection: 'close' } });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return 0;
    }
  }

  /** All samples: `{name, labels, value}`. */
  async scrape() {
    const answer = await fetch(`http://127.0.0.1:${this.ports.metrics}/metrics`, { headers: { connection: 'close' } });
    const samples = (await answer.text()).matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm);
    return [...samples].map(([, name, text = '', value]) => ({
      name,
      labels: Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, word]) => [label, word])),
      value: Number(value),
    }));
  }

  /** The sum of a metric's samples that fit. */
  async metric(name, isWanted = () => true) {
    const samples = (await this.scrape()).filter((sample) => sample.name === name && isWanted(sample.labels));
    return samples.reduce((sum, { value }) => sum + value, 0);
  }

  /** Tells the gateway to end; resolves with its exit code. */
  async stopGateway() {
    const gone = once(this.gateway, 'exit');
    this.gateway.kill('SIGTERM');
    const [code] = await gone;
    return code;
  }

  untilReady() {
    return until(() => this.probe('ready').then((status) => status === 200), 'the gateway was not ready');
  }

  async close() {
    for (const ending of this.endings.splice(0).reverse()) {
      try {
        await ending();
      } catch (problem) {
        console.error(`While cleaning up: ${problem.message}`);
      }
    }
  }
}
