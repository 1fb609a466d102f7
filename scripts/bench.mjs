/**
 * What the gateway itself costs, on this machine: first the translation of streamed events alone, then the usage
 * journal, the audit and the filter, then the built gateway, one key, a provider on the loopback that answers at once.
 * Prints processor time of the gateway a request and a streamed event, and latencies. A few thousand requests;
 * `--requests N` for another number. `--only translation`, `journal`, `audit` or `filter` leaves everything else out;
 * `--only overload` asks three times as much of a gateway as it can do, which is done only when it is asked for.
 */
import './lib/node-version.mjs';
import assert from 'node:assert/strict';
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot, root } from './lib/paths.mjs';
import { findFreePort } from './lib/ports.mjs';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '3000' }, only: { type: 'string' } } });
const REQUESTS = Math.min(Number(values.requests), 50_000);
const CONCURRENCY = 16;
assert(Number.isInteger(REQUESTS) && REQUESTS > 0, '--requests takes a whole number');
assert(
  values.only === undefined || ['translation', 'journal', 'audit', 'filter', 'overload'].includes(values.only),
  '--only takes translation, journal, audit, filter or overload',
);

await ensureInstalled();
await build();
const isAsked = (name) => values.only === undefined || values.only === name;
const { measureTranslation } = await import('../test/bench/translation.mjs');
if (isAsked('translation')) measureTranslation();
const { measureJournal } = await import('../test/bench/journal.mjs');
if (isAsked('journal')) await measureJournal();
const { measureAudit } = await import('../test/bench/audit.mjs');
if (isAsked('audit')) await measureAudit();
const { measureFilter } = await import('../test/bench/filter.mjs');
if (isAsked('filter')) measureFilter();
if (values.only === 'overload') await (await import('../test/bench/overload.mjs')).measureOverload();
if (values.only !== undefined) process.exit();
const { Pool } = await import('undici');

const folder = mkdtempSync(path.join(tmpdir(), 'aegis-bench-'));
const upstream = fork(inRoot('test/bench/upstream.mjs'));
let gateway;

/** Processor time of a process so far, in microseconds. */
async function readCpuMicroseconds(metricsUrl) {
  const text = await (await fetch(metricsUrl)).text();
  const seconds = /^process_cpu_seconds_total(?:\{[^}]*\})? (\S+)/m.exec(text)?.[1];
  assert(seconds, 'the gateway reports no process_cpu_seconds_total');
  return Number(seconds) * 1_000_000;
}

try {
  const [{ port: upstreamPort }] = await once(upstream, 'message');
  const ports = { gateway: await findFreePort(), metrics: await findFreePort() };
  const files = {
    'gateway.yaml': [
      `server: {host: 127.0.0.1, port: ${ports.gateway}}`,
      `telemetry: {metrics_host: 127.0.0.1, metrics_port: ${ports.metrics}}`,
    ],
    'providers.yaml': [
      'providers:',
      `  bench: {type: openai_compatible, base_url: "http://127.0.0.1:${upstreamPort}/v1", api_key: bench}`,
    ],
    'models.yaml': ['models:', '  bench: {primary: {provider: bench, model: bench, classification_ceiling: INTERNAL}}'],
    'pricing.yaml': ['version: bench', 'prices:', '  - {provider: bench, model: bench, input: 1, output: 1}'],
  };
  for (const [name, lines] of Object.entries(files)) writeFileSync(path.join(folder, name), `${lines.join('\n')}\n`);
  const env = {
    ...process.env,
    NODE_ENV: 'development',
    AEGIS_CONFIG_DIR: folder,
    AEGIS_DATA_DIR: path.join(folder, 'data'),
  };
  gateway = spawn(process.execPath, [inRoot('dist/src/main.js')], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${ports.gateway}`;
  const metricsUrl = `http://127.0.0.1:${ports.metrics}/metrics`;
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    assert(gateway.exitCode === null && Date.now() < deadline, 'the gateway did not start');
    const ready = await fetch(`${url}/aegis/v1/health/ready`).catch(() => null);
    if (ready?.ok) break;
  }
  const cli = (...parameters) =>
    execFileSync(process.execPath, [inRoot('dist/src/cli/main.js'), ...parameters], {
      cwd: root,
      env,
      encoding: 'utf8',
    });
  const { key } = JSON.parse(cli('keygen', '--org', 'bench', '--team', 'bench', '--name', 'bench', '--json'));

  const pool = new Pool(url, { connections: CONCURRENCY, pipelining: 1 });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const ask = async (body) => {
    const startedAt = performance.now();
    const answer = await pool.request({ method: 'POST', path: '/v1/chat/completions', headers, body });
    const text = await answer.body.text();
    assert.equal(answer.statusCode, 200, text);
    return { ms: performance.now() - startedAt, events: text.split('\ndata: ').length };
  };
  const measure = async (name, body, count) => {
    await runAll(ask, body, Math.ceil(count / 5));
    const before = await readCpuMicroseconds(metricsUrl);
    const startedAt = performance.now();
    const results = await runAll(ask, body, count);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = (await readCpuMicroseconds(metricsUrl)) - before;
    const sorted = results.map(({ ms }) => ms).sort((one, other) => one - other);
    const at = (share) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
    const events = results.reduce((sum, { events }) => sum + events, 0);
    console.log(
      `${name.padEnd(22)} ${(cpu / count).toFixed(0).padStart(6)} µs CPU each` +
        `${events > count ? `, ${(cpu / events).toFixed(1)} µs an event` : ''}` +
        `   ${(count / seconds).toFixed(0)}/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms`,
    );
  };
  const body = (characters, more = {}) =>
    JSON.stringify({
      model: 'bench',
      messages: [{ role: 'user', content: 'lorem ipsum '.repeat(characters / 12) }],
      ...more,
    });

  // Until the compiler has seen it all, it is the compiler that is measured.
  await runAll(ask, body(1_000), REQUESTS);
  console.log(`Node ${process.versions.node}, ${REQUESTS} requests, ${CONCURRENCY} at a time`);
  await measure('completion, 1 KB', body(1_000), REQUESTS);
  await measure('completion, 10 KB', body(10_000), REQUESTS);
  await measure('completion, 100 KB', body(100_000), Math.ceil(REQUESTS / 5));
  await measure('stream, 100 events', body(1_000, { stream: true }), Math.ceil(REQUESTS / 5));
  await pool.close();
} finally {
  if (gateway && gateway.exitCode === null) {
    gateway.kill('SIGTERM');
    await once(gateway, 'exit');
  }
  upstream.disconnect();
  rmSync(folder, { recursive: true, force: true });
}

/** `count` calls of `ask`, `CONCURRENCY` of them open at a time. */
async function runAll(ask, body, count) {
  const results = [];
  let left = count;
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) results.push(await ask(body));
    }),
  );
  return results;
}
