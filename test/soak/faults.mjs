/**
 * What goes wrong, one after the other and again from the beginning, while the clients go on. Each ends by itself, puts
 * everything back, and says in a word how it went; what a fault finds broken is thrown.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { modelsWith } from './site.mjs';
import { until } from './stores.mjs';

const AWAY_MS = 5_000;
/** A gateway that was told by Redis knows in under a second; asking PostgreSQL takes a little longer. */
const REVOKED_WITHIN_MS = 2_500;
const RECOVERED_WITHIN_MS = 30_000;

const isHealthy = (dependency) => (labels) => labels.dependency === dependency && labels.state === 'healthy';

/** How long a store took to be used again. */
async function untilHealthy(site, dependency) {
  const startedAt = performance.now();
  const isBack = async () => (await site.metric('aegis_dependency_state', isHealthy(dependency))) === 1;
  await until(isBack, `${dependency} was not used again`, RECOVERED_WITHIN_MS);
  return `used again after ${Math.round(performance.now() - startedAt)} ms`;
}

async function redisFreezes(site) {
  site.redis.freeze();
  await sleep(AWAY_MS);
  site.redis.thaw();
  return untilHealthy(site, 'redis');
}

async function redisRestarts(site) {
  await site.redis.halt();
  await sleep(AWAY_MS / 2);
  await site.redis.resume();
  return untilHealthy(site, 'redis');
}

async function postgresRestarts(site) {
  await site.postgres.halt();
  await sleep(AWAY_MS);
  await site.postgres.resume();
  return untilHealthy(site, 'database');
}

async function postgresFreezes(site) {
  site.postgres.freeze();
  await sleep(AWAY_MS);
  site.postgres.thaw();
  return untilHealthy(site, 'database');
}

async function providerLeaves(site) {
  await site.providers.leave('alpha');
  await sleep(AWAY_MS);
  await site.providers.return('alpha');
  return `away for ${AWAY_MS} ms`;
}

/** As an editor saves: written beside it, and renamed. */
function replaceFile(site, name, content) {
  const file = path.join(site.configFolder, name);
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}

async function listModels(site) {
  const answer = await fetch(`${site.url}/v1/models`, {
    headers: { 'x-api-key': site.keys.plain.key, connection: 'close' },
  });
  const { data } = await answer.json();
  // Any request may be shed.
  return data?.map(({ id }) => id) ?? null;
}

async function configurationChanges(site) {
  const alias = `extra-${Date.now()}`;
  const startedAt = performance.now();
  replaceFile(site, 'models.yaml', modelsWith([alias]));
  await until(async () => (await listModels(site))?.includes(alias), 'a new alias was not served');
  const tookMs = Math.round(performance.now() - startedAt);
  replaceFile(site, 'models.yaml', modelsWith());
  site.gateway.kill('SIGHUP');
  await until(async () => (await listModels(site))?.includes(alias) === false, 'an alias was not taken away');
  return `served after ${tookMs} ms`;
}

async function configurationBreaks(site) {
  const isRejected = async () => (await site.metric('aegis_config_rejected')) === 1;
  const good = readFileSync(path.join(site.configFolder, 'providers.yaml'), 'utf8');
  replaceFile(site, 'providers.yaml', 'providers: [this is {no mapping');
  await until(isRejected, 'broken files were not noticed');
  replaceFile(site, 'providers.yaml', good);
  await until(async () => !(await isRejected()), 'mended files were not taken');
  return 'noticed, and mended';
}

/** One request with a key; its status. */
async function tryKey(site, { key }) {
  const answer = await fetch(`${site.url}/v1/models`, { headers: { 'x-api-key': key, connection: 'close' } });
  await answer.arrayBuffer();
  return answer.status;
}

async function keyIsRevoked(site) {
  const made = await site.mint('passing', '--rpm', '1000', '--max-parallel', '10', '--budget-usd', '5');
  await until(async () => (await tryKey(site, made)) === 200, 'a new key was not served');
  await site.operate('keys', 'revoke', made.id, '--reason', 'soak');
  const revokedAt = performance.now();
  // Of several workers each has to know, and a new connection goes to whichever is free.
  const looks = site.workers === 1 ? 1 : 4 * site.workers;
  const isRefused = async () => {
    for (let look = 0; look < looks; look += 1) if ((await tryKey(site, made)) !== 401) return false;
    return true;
  };
  await until(isRefused, 'a revoked key was served', REVOKED_WITHIN_MS);
  return `refused after ${Math.round(performance.now() - revokedAt)} ms`;
}

async function keyIsChanged(site) {
  const { poor } = site.keys;
  const { budget_usd: budget } = JSON.parse(await site.operate('keys', 'show', poor.id, '--json'));
  // What was spent is spent: with a little more there is a little room again.
  const more = (Number(budget) + 0.02).toFixed(2);
  await site.operate('keys', 'update', poor.id, '--budget-usd', more);
  return `budget raised to ${more} USD`;
}

/** All of them at once, and all of them gone before their answer. */
async function clientsVanish(site) {
  const body = JSON.stringify({
    model: 'claude',
    stream: true,
    messages: [{ role: 'user', content: 'soak vanished slow' }],
  });
  const headers = {
    'x-api-key': site.keys.bounded.key,
    'content-type': 'application/json',
    'x-request-id': 'vanished',
  };
  const leave = async () => {
    const signal = AbortSignal.timeout(100 + Math.floor(Math.random() * 300));
    await fetch(`${site.url}/v1/chat/completions`, { method: 'POST', headers, body, signal }).catch(() => undefined);
  };
  await Promise.all(Array.from({ length: 100 }, leave));
  return '100 clients left';
}

/** As when it is renewed: it ends what it has begun, another takes its place, and nobody fails. */
async function workerEnds(site) {
  const [, ...before] = site.processes;
  const [told] = before;
  const startedAt = performance.now();
  process.kill(told, 'SIGTERM');
  const isReplaced = () => {
    const [, ...now] = site.processes;
    return !now.includes(told) && now.length === before.length;
  };
  await until(isReplaced, 'a worker that ended was not replaced', RECOVERED_WITHIN_MS);
  const hasStarted = async () => (await site.metric('aegis_workers')) === before.length;
  await until(hasStarted, 'a worker in the place of another did not serve', RECOVERED_WITHIN_MS);
  return `replaced after ${Math.round(performance.now() - startedAt)} ms`;
}

/** In this order; one a period. */
const FAULTS = [
  ['Redis freezes', redisFreezes],
  ['configuration changes', configurationChanges],
  ['PostgreSQL restarts', postgresRestarts],
  ['a key is revoked', keyIsRevoked],
  ['a provider leaves', providerLeaves],
  ['Redis restarts, empty', redisRestarts],
  ['configuration breaks', configurationBreaks],
  ['PostgreSQL freezes', postgresFreezes],
  ['a key is changed', keyIsChanged],
  ['100 clients vanish', clientsVanish],
];

/** With several workers one of them is renewed, too, before anything else happens and again. */
export const faultsOf = (workers) => (workers === 1 ? FAULTS : [['a worker ends', workerEnds], ...FAULTS]);
