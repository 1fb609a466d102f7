/**
 * The whole of AEGIS on one machine: packages, build, embedded PostgreSQL, migrations, a key, the gateway, and the
 * lines to try it with. Ctrl-C stops the gateway, then the database.
 */
import './lib/node-version.mjs';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from './lib/build.mjs';
import { getDevKey } from './lib/dev-key.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot, root } from './lib/paths.mjs';
import { readPort, requireFreePorts } from './lib/ports.mjs';
import { run } from './lib/run.mjs';

// As the gateway does it: what the environment names already counts more.
if (existsSync(inRoot('.env'))) process.loadEnvFile(inRoot('.env'));

const READY_DEADLINE_MS = 60_000;
/** npm hands a Ctrl-C on to this process, which the terminal has told already: both are one. */
const SAME_SIGNAL_MS = 1_000;

const ports = { GATEWAY_PORT: readPort('GATEWAY_PORT', 8080), METRICS_PORT: readPort('METRICS_PORT', 9090) };
const gatewayUrl = `http://127.0.0.1:${ports.GATEWAY_PORT}`;
const environment = {
  ...process.env,
  NODE_ENV: 'development',
  LOG_FORMAT: process.env.LOG_FORMAT ?? 'pretty',
  GATEWAY_PORT: String(ports.GATEWAY_PORT),
  METRICS_PORT: String(ports.METRICS_PORT),
};

/** What runs, to be stopped in this order. */
const running = { gateway: null, database: null };
let stoppedAt = null;

function stopGateway(signal) {
  if (running.gateway?.exitCode === null && running.gateway.signalCode === null) running.gateway.kill(signal);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    const now = performance.now();
    if (stoppedAt !== null && now - stoppedAt < SAME_SIGNAL_MS) return;
    // The gateway drains on the first signal and gives up on the second.
    if (stoppedAt === null) console.error('\nStopping …');
    stoppedAt ??= now;
    stopGateway('SIGTERM');
  });
}

class Stopped extends Error {}

function unlessStopped() {
  if (stoppedAt !== null) throw new Stopped();
}

async function startDatabase(folder) {
  if (process.env.DATABASE_URL) return null;
  const { startEmbeddedPostgres } = await import('../dist/src/database/embedded-postgres.js');
  return startEmbeddedPostgres({ folder, report: (message) => console.error(message) });
}

function startGateway() {
  const child = spawn(process.execPath, ['--enable-source-maps', inRoot('dist/src/main.js')], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
    // Out of the terminal's reach: Ctrl-C comes once, from here.
    detached: true,
  });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  return { child, ended };
}

async function waitUntilReady(child) {
  const deadline = performance.now() + READY_DEADLINE_MS;
  while (performance.now() < deadline) {
    unlessStopped();
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error('The gateway did not start; the reason stands above.');
    }
    const answer = await fetch(`${gatewayUrl}/aegis/v1/health/ready`).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await sleep(50);
  }
  throw new Error(`The gateway is not ready after ${READY_DEADLINE_MS / 1000} s: see ${gatewayUrl}/aegis/v1/health`);
}

/** One request as a user would make it. Returns the model that answered. */
async function ask(key) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const models = await fetch(`${gatewayUrl}/v1/models`, { headers }).then((answer) => answer.json());
  const model = models.data?.[0]?.id;
  if (model === undefined) throw new Error(`The gateway offers no model: ${JSON.stringify(models)}`);
  const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  });
  const text = await answer.text();
  // A provider that fails is not AEGIS failing to start: the lines below are as useful.
  if (!answer.ok) console.error(`The first request was answered with ${answer.status}: ${text}`);
  return model;
}

function printLines(key, model) {
  const seconds = (performance.now() / 1000).toFixed(1);
  const post = (body, options = '') =>
    `curl ${options}${gatewayUrl}/v1/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
  const say = (content, more = {}) => ({ model, messages: [{ role: 'user', content }], ...more });
  // The shape of a credential, in two halves so that no scanner of repositories takes it for one.
  const secret = ['AKIA', 'QYLPMN5HHHFPZAM2'].join('');
  console.log(`
AEGIS is ready. First request answered ${seconds} s after the start.

  the key         export AEGIS_KEY=${key}
  health          curl ${gatewayUrl}/aegis/v1/health
  completion      ${post(say('Hello'))}
  stream          ${post(say('Hello', { stream: true }), '-N ')}
  blocked secret  ${post(say(`My access key is ${secret}`), '-i ')}
  metrics         curl http://127.0.0.1:${ports.METRICS_PORT}/metrics
  OpenAI SDK      OPENAI_BASE_URL=${gatewayUrl}/v1 OPENAI_API_KEY=${key} node examples/openai-sdk.mjs

Changes in config/ count at once. Ctrl-C stops everything.
`);
}

async function main() {
  await requireFreePorts(ports);
  await ensureInstalled();
  unlessStopped();
  await build();
  const { getDataFolder } = await import('../dist/src/database/data-folder.js');
  const folder = getDataFolder();
  running.database = await startDatabase(folder);
  unlessStopped();
  const migrated = await run(process.execPath, ['--enable-source-maps', inRoot('dist/src/cli/main.js'), 'migrate'], {
    env: environment,
    stdio: ['ignore', 2, 2],
  });
  unlessStopped();
  if (migrated !== 0) throw new Error('The database could not be migrated; the reason stands above.');
  const { child, ended } = startGateway();
  running.gateway = child;
  await waitUntilReady(child);
  const key = await getDevKey(folder, gatewayUrl, environment);
  const model = await ask(key);
  unlessStopped();
  printLines(key, model);
  return ended;
}

let code = 0;
try {
  const ending = await main();
  if (stoppedAt === null) console.error('The gateway ended by itself; the reason stands above.');
  code = typeof ending === 'number' ? ending : 1;
} catch (error) {
  if (!(error instanceof Stopped)) {
    console.error(error instanceof Error ? error.message : error);
    code = 1;
  }
} finally {
  const { gateway, database } = running;
  stopGateway('SIGTERM');
  if (gateway !== null && gateway.exitCode === null && gateway.signalCode === null) {
    await new Promise((resolve) => gateway.once('exit', resolve));
  }
  await database?.stop();
}
// Idle connections to the gateway would hold the process for a moment.
process.exit(code);
