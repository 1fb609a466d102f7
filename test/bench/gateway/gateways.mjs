/**
 * Gateways as production runs them: the built `dist`, the image's own flags, NODE_ENV=production, config/production with
 * the bench's providers put in. Every control is on, and a key has every kind of limit, unless something is changed.
 * The log goes to a file, every line of it.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { inRoot, root } from '../../../scripts/lib/paths.mjs';
import { findFreePort } from '../../../scripts/lib/ports.mjs';
import { CASES } from './cases.mjs';
import { endChild, spawnUntil } from './processes.mjs';

/** The shipper of the journals waits a second for company: what it does then belongs to the requests before. */
const SETTLE_MS = 1_200;
const PRODUCTION = inRoot('config', 'production');
const MAIN = ['--enable-source-maps', inRoot('dist', 'src', 'main.js')];
const pepper = randomBytes(32).toString('hex');
/** None of them is ever reached, and each is counted with every request. */
const LIMITS = {
  rpm: '100000000',
  tpm: '1000000000',
  'max-parallel': '100000',
  'budget-usd': '1000000',
};

let started = 0;
const keys = new Map();

function merge(base, changes) {
  const merged = { ...base };
  for (const [name, value] of Object.entries(changes)) {
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    merged[name] = isMapping ? merge(merged[name] ?? {}, value) : value;
  }
  return merged;
}

function writeConfiguration(folder, { upstream, changes, ports }) {
  cpSync(PRODUCTION, folder, { recursive: true });
  const gateway = parse(readFileSync(path.join(PRODUCTION, 'gateway.yaml'), 'utf8'));
  const own = {
    server: {
      host: '127.0.0.1',
      port: ports.gateway,
      shutdown_grace: '0s',
      workers: 1,
      // What requests cost, not which are refused: that is for `--only overload`.
      overload: { target_delay: '0s' },
    },
    telemetry: { metrics_host: '127.0.0.1', metrics_port: ports.metrics },
    // Open streams are kept for as long as it takes to look at them.
    routing: { deadline: '10m' },
  };
  const target = { classification_ceiling: 'INTERNAL' };
  const files = {
    gateway: merge(merge(gateway, own), changes),
    providers: {
      providers: Object.fromEntries(
        CASES.map(({ id, providerType, upstream: name }) => [
          id,
          {
            type: providerType,
            base_url: `http://127.0.0.1:${upstream.port}/${name}/v1`,
            api_key: 'bench',
            max_concurrent: 20_000,
          },
        ]),
      ),
    },
    models: {
      models: Object.fromEntries(
        CASES.map(({ id }) => [id, { primary: { provider: id, model: `${id}-served`, ...target } }]),
      ),
    },
    pricing: {
      version: 'bench',
      prices: CASES.map(({ id }) => ({ provider: id, model: `${id}-served`, input: 0.001, output: 0.001 })),
    },
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(path.join(folder, `${name}.yaml`), stringify(content));
}

const isReady = (port) => async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/aegis/v1/health/ready`).catch(() => null);
  await answer?.arrayBuffer();
  return answer?.ok ?? false;
};

/** One key with all limits, one without any: each is made once, for all gateways. */
function mintKey(environment, isLimited) {
  if (!keys.has(isLimited)) {
    const limits = isLimited ? Object.entries(LIMITS).flatMap(([name, value]) => [`--${name}`, value]) : [];
    const text = runCli(
      environment,
      'keygen',
      '--org',
      'bench',
      '--team',
      'bench',
      '--name',
      'bench',
      '--json',
      ...limits,
    );
    keys.set(isLimited, JSON.parse(text).key);
  }
  return keys.get(isLimited);
}

const runCli = (environment, ...parameters) =>
  execFileSync(process.execPath, [inRoot('dist', 'src', 'cli', 'main.js'), ...parameters], {
    cwd: root,
    env: environment,
    encoding: 'utf8',
  });

/**
 * @param changes deep changes of gateway.yaml
 * @param nodeFlags before all others
 * @param environment of the gateway's process alone
 */
export async function startGateway(
  { stores, upstream },
  { name, label, redis = false, limits = true, changes = {}, nodeFlags = [], environment: more = {} },
) {
  started += 1;
  const folder = path.join(stores.folder, `gateway-${started}`);
  mkdirSync(folder);
  const ports = { gateway: await findFreePort(), metrics: await findFreePort() };
  const files = { config: path.join(folder, 'config'), signingKey: path.join(folder, 'signing-key.pem') };
  writeConfiguration(files.config, { upstream, changes, ports });
  const { PATH, HOME } = process.env;
  const environment = {
    PATH,
    ...(HOME && { HOME }),
    NODE_ENV: 'production',
    AEGIS_CONFIG_DIR: files.config,
    AEGIS_DATA_DIR: path.join(folder, 'data'),
    AEGIS_JOURNAL_DIR: path.join(folder, 'journal'),
    AEGIS_AUDIT_KEY_FILE: files.signingKey,
    AEGIS_KEY_PEPPER: pepper,
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: redis ? stores.redisUrl : '',
  };
  runCli(environment, 'audit', 'keygen', '--output', files.signingKey);
  const log = openSync(path.join(folder, 'gateway.log'), 'a');
  const startedAt = performance.now();
  const child = await spawnUntil(isReady(ports.gateway), process.execPath, [...nodeFlags, ...MAIN], {
    cwd: root,
    env: { ...environment, ...more },
    stdio: ['ignore', log, 'inherit'],
  });
  const startMs = performance.now() - startedAt;
  const key = mintKey(environment, limits);
  return {
    name,
    label,
    pid: child.pid,
    settleMs: SETTLE_MS,
    startMs,
    folder,
    url: `http://127.0.0.1:${ports.gateway}`,
    metricsUrl: `http://127.0.0.1:${ports.metrics}/metrics`,
    target: (subject) => ({
      port: ports.gateway,
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: subject.body(subject.id).toString('base64'),
    }),
    stop: () => endChild(child),
  };
}

/** The value of a metric without labels. */
export async function readMetric({ metricsUrl }, name) {
  const text = await (await fetch(metricsUrl)).text();
  const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`the gateway reports no ${name}`);
  return Number(value);
}
