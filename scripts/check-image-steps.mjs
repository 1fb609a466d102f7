/**
 * Checks the container image without a container engine: carries out the Dockerfile's steps in an empty folder, then
 * runs what it made there as an account that can write nothing in it, against a real PostgreSQL.
 */
import './lib/node-version.mjs';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { findFreePort } from './lib/ports.mjs';

await ensureInstalled();
await ensureBuilt();
const { performDockerfile } = await import('./lib/image.mjs');
const { startEmbeddedPostgres } = await import('../dist/src/database/embedded-postgres.js');

const folder = mkdtempSync(path.join(tmpdir(), 'aegis-image-'));
chmodSync(folder, 0o755);
const NOBODY = 65_534;

function measure(place) {
  let bytes = 0;
  for (const entry of readdirSync(place, { withFileTypes: true })) {
    const inner = path.join(place, entry.name);
    if (entry.isDirectory()) bytes += measure(inner);
    else if (entry.isFile()) bytes += statSync(inner).size;
  }
  return bytes;
}

/** Every file below a place with its hash. */
function fingerprint(place) {
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => [path.relative(place, file), createHash('sha256').update(readFileSync(file)).digest('hex')])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

const megabytes = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

let database;
let gateway;
try {
  const image = performDockerfile(path.join(folder, 'stages'));
  const modules = path.join(image.folder, 'node_modules');

  console.log('\nWhat is in it');
  const installed = JSON.parse(readFileSync(path.join(modules, '.package-lock.json'), 'utf8')).packages;
  const development = Object.entries(installed).filter(
    ([name, { dev, devOptional }]) => (dev || devOptional) && existsSync(path.join(image.folder, name)),
  );
  assert.deepEqual(development, [], 'development packages are in the image');
  for (const unwanted of ['src', 'test', 'scripts', '.env', '.git']) {
    assert(!existsSync(path.join(image.folder, unwanted)), `${unwanted} is in the image`);
  }
  console.log(`  packages: ${Object.keys(installed).length}, ${megabytes(measure(modules))}, none for development`);
  console.log(`  all above the base image: ${megabytes(measure(image.folder))}`);

  assert.deepEqual(
    fingerprint(path.join(image.folder, 'dist')),
    fingerprint(inRoot('dist')),
    'the build differs from the one here',
  );
  console.log('  the build: byte for byte the one made here, in another folder');

  console.log('\nWhat it does, as an account that owns nothing there');
  database = await startEmbeddedPostgres({ folder: path.join(folder, 'data') });
  const ports = { GATEWAY_PORT: String(await findFreePort()), METRICS_PORT: String(await findFreePort()) };
  const journal = mkdtempSync(path.join(folder, 'journal-'));
  chmodSync(journal, 0o777);
  const options = {
    cwd: image.folder,
    env: {
      PATH: process.env.PATH,
      ...image.env,
      ...ports,
      DATABASE_URL: database.url,
      AEGIS_KEY_PEPPER: 'a pepper for this check alone, 32 bytes and more',
      // In the place of the volume.
      AEGIS_JOURNAL_DIR: journal,
      AEGIS_AUDIT_KEY_FILE: path.join(journal, 'audit-signing-key.pem'),
      OPENAI_API_KEY: 'none',
    },
    ...(process.getuid?.() === 0 && { uid: NOBODY, gid: NOBODY }),
  };
  const withNode = ([program, ...parameters]) => {
    assert.equal(program, 'node');
    return parameters;
  };
  const entrypoint = withNode(image.entrypoint);
  const aegis = (...parameters) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...entrypoint, ...parameters], {
      ...options,
      encoding: 'utf8',
    });
    assert.equal(status, 0, `aegis ${parameters.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
    console.log(`  aegis ${parameters.join(' ')}`);
    return stdout;
  };
  const isHealthy = () => spawnSync(process.execPath, withNode(image.healthcheck), options).status === 0;

  aegis('--help');
  aegis('config', 'check');
  aegis('migrate');
  aegis('audit', 'keygen', '--output', options.env.AEGIS_AUDIT_KEY_FILE);
  const { key } = JSON.parse(aegis('keygen', '--org', 'acme', '--team', 'core', '--name', 'check', '--json'));
  assert.match(key, /^aegis-/);
  aegis('keys', 'list');

  assert(!isHealthy(), 'the health check passes where nothing runs');
  gateway = spawn(process.execPath, [...entrypoint, ...image.command], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [gateway.stdout, gateway.stderr]) stream.on('data', (chunk) => (log += chunk));
  const ended = new Promise((resolve) => gateway.once('exit', (code, signal) => resolve(code ?? signal)));
  for (const deadline = Date.now() + 30_000; !isHealthy(); await sleep(100)) {
    assert(gateway.exitCode === null && Date.now() < deadline, `the gateway is not healthy:\n${log}`);
  }
  const url = `http://127.0.0.1:${ports.GATEWAY_PORT}`;
  const models = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(models.status, 200, await models.text());
  const metrics = await fetch(`http://127.0.0.1:${ports.METRICS_PORT}/metrics`);
  assert.match(await metrics.text(), /^aegis_requests_total/m);
  gateway.kill(image.stopSignal);
  assert.equal(await ended, 0, `the gateway did not end in order:\n${log}`);
  aegis('audit', 'verify');
  console.log(`  aegis ${image.command.join(' ')}: healthy, answers, ends with 0 on ${image.stopSignal}`);
  console.log(`\nThe image's steps hold (Node ${process.versions.node}).`);
} finally {
  gateway?.kill('SIGKILL');
  await database?.stop();
  rmSync(folder, { recursive: true, force: true });
}
