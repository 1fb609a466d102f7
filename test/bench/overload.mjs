/**
 * What becomes of a gateway that is asked for three times as much as it can do: goodput and latency beside the same
 * gateway at its peak and at half of it, with admission control and without, and what a refusal costs. Gateway on one
 * processor, provider and clients together on another, as far as the machine has two: a client that competes with the
 * gateway would measure itself. AEGIS_BENCH_CPUS="0 1" says which.
 */
import assert from 'node:assert/strict';
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../scripts/lib/ports.mjs';

const root = path.join(import.meta.dirname, '../..');
const CLIENTS = 64;
const WARM_UP_MS = 1_500;
const MEASURED_MS = Number(process.env.AEGIS_BENCH_SECONDS ?? 6) * 1_000;
const MICROSECONDS_A_TICK = 10_000;
const PROMPT_CHARACTERS = Number(process.env.AEGIS_BENCH_CHARACTERS ?? 4_000);
const UPSTREAM_DELAYS_MS = (process.env.AEGIS_BENCH_DELAYS ?? '0,100').split(',').map(Number);
/** Without admission control three times the peak takes everything down, the clients with it; half as much does, too. */
const UNBOUNDED = [1.5];
const OVERLOAD = process.env.AEGIS_BENCH_OVERLOAD ?? '{}';
const [GATEWAY_CPU, OTHER_CPU] = (process.env.AEGIS_BENCH_CPUS ?? '0 1').split(' ');

function pin({ pid }, cpu) {
  if (process.platform !== 'linux' || availableParallelism() < 2) return;
  execFileSync('taskset', ['-a', '-p', '-c', cpu, String(pid)], { stdio: 'ignore' });
}

function readCpuMicroseconds(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_A_TICK;
}

async function forkPinned(name, environment = {}) {
  const child = fork(path.join(import.meta.dirname, 'overload', name), { env: { ...process.env, ...environment } });
  pin(child, OTHER_CPU);
  return child;
}

/** A gateway with a database of its own and a key. */
async function startGateway(upstreamPort, overload) {
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-bench-'));
  const ports = { gateway: await findFreePort(), metrics: await findFreePort() };
  const files = {
    'gateway.yaml': [
      `server: {host: 127.0.0.1, port: ${ports.gateway}, overload: ${overload}}`,
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
  const child = spawn(process.execPath, [path.join(root, 'dist/src/main.js')], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${ports.gateway}`;
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    assert(child.exitCode === null && Date.now() < deadline, 'the gateway did not start');
    const ready = await fetch(`${url}/aegis/v1/health/ready`).catch(() => null);
    if (ready?.ok) break;
  }
  const keygen = ['keygen', '--org', 'bench', '--team', 'bench', '--name', 'bench', '--json'];
  const made = execFileSync(process.execPath, [path.join(root, 'dist/src/cli/main.js'), ...keygen], {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  pin(child, GATEWAY_CPU);
  return {
    url,
    port: ports.gateway,
    pid: child.pid,
    headers: { authorization: `Bearer ${JSON.parse(made).key}`, 'content-type': 'application/json' },
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Asks `load` for one run against a gateway; with the gateway's processor time for each request that was answered. */
async function run(load, gateway, body, parameters) {
  const cpuBefore = readCpuMicroseconds(gateway.pid);
  const order = { port: gateway.port, headers: gateway.headers, body, warmUpMs: WARM_UP_MS, measuredMs: MEASURED_MS };
  load.send({ ...order, ...parameters });
  const [result] = await once(load, 'message');
  const cpu = readCpuMicroseconds(gateway.pid) - cpuBefore;
  const { 200: served = 0, 503: shed = 0, ...other } = result.counts;
  const answered = served + shed + Object.values(other).reduce((sum, count) => sum + count, 0);
  return { ...result, goodput: served / result.seconds, served, shed, other, shedShare: shed / answered, cpu };
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

function print(name, { goodput, ms: took, shedShare, other, shedMs, unanswered = 0, mostWaiting, lagMs }) {
  const failed = Object.entries(other).map(([status, count]) => `, ${count} × ${status === '0' ? 'cut' : status}`);
  console.log(
    `  ${name.padEnd(26)} ${goodput.toFixed(0).padStart(6)}/s  p50 ${ms(took.p50).padStart(8)}  p99 ${ms(took.p99).padStart(8)}` +
      `${shedShare > 0 ? `  shed ${percent(shedShare)}, in p50 ${ms(shedMs.p50)} p99 ${ms(shedMs.p99)}` : ''}` +
      `${mostWaiting ? `  at most ${mostWaiting} open` : ''}${lagMs ? `  (clients late p99 ${ms(lagMs.p99)})` : ''}` +
      `${failed.join('')}${unanswered > 0 ? `, ${unanswered} never answered` : ''}`,
  );
}

/** Some runs against one gateway: `shares` of what it can do without a queue, in open loop. */
async function measure(load, upstreamPort, body, overload, shares, peakBefore = 0) {
  const gateway = await startGateway(upstreamPort, overload);
  try {
    // Until the compiler has seen it all, it is the compiler that is measured.
    await run(load, gateway, body, { action: 'closed', clients: CLIENTS });
    const full = await run(load, gateway, body, { action: 'closed', clients: CLIENTS });
    print(`${CLIENTS} clients in turn`, full);
    const runs = [];
    let peak = Math.max(peakBefore, full.goodput);
    for (const share of shares) {
      const rate = share * peak;
      const result = await run(load, gateway, body, { action: 'open', rate });
      print(`${percent(share)} of the peak, ${rate.toFixed(0)}/s`, result);
      runs.push({ share, ...result });
      peak = Math.max(peak, result.goodput);
    }
    return { peak, runs };
  } finally {
    await gateway.stop();
  }
}

async function compare(load, delayMs, body) {
  const upstream = await forkPinned('upstream.mjs', { BENCH_UPSTREAM_DELAY_MS: String(delayMs) });
  const [{ port }] = await once(upstream, 'message');
  console.log(`Provider answers after ${delayMs} ms, without admission control (target_delay: 0s)`);
  const without = await measure(load, port, body, '{target_delay: 0s}', [0.5, 0.8, ...UNBOUNDED]);
  console.log(`Provider answers after ${delayMs} ms, with it (${OVERLOAD})`);
  const { peak, runs } = await measure(load, port, body, OVERLOAD, [0.5, 0.8, 1, 1.2, 3, 0.5], without.peak);
  const at = (share) => runs.find((each) => each.share === share);
  const over = at(3);
  console.log(
    `  at 300 %: goodput ${percent(over.goodput / peak)} of the peak (${peak.toFixed(0)}/s); p99 of what was let in ` +
      `${[0.5, 0.8, 1].map((share) => `${(over.ms.p99 / at(share).ms.p99).toFixed(1)} × that at ${percent(share)}`).join(', ')}`,
  );
  upstream.disconnect();
}

/** All but one request are refused: what is left is the price of a refusal. */
async function measureRefusal(load, body) {
  // Nobody asks a provider.
  const gateway = await startGateway(1, '{max_in_flight: 1}');
  try {
    const holding = new AbortController();
    const held = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: gateway.headers,
      signal: holding.signal,
      duplex: 'half',
      // A body that never ends holds the only place.
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{')) }),
    }).catch(() => undefined);
    await sleep(300);
    for (const turn of ['warm', 'measured']) {
      const result = await run(load, gateway, body, { action: 'closed', clients: CLIENTS });
      if (turn === 'warm') continue;
      const each = (result.cpu * result.seconds) / (result.seconds + WARM_UP_MS / 1_000) / result.shed;
      console.log(
        `A refusal: ${each.toFixed(1)} µs CPU of the gateway, ${(result.shed / result.seconds).toFixed(0)}/s`,
      );
    }
    holding.abort();
    await held;
  } finally {
    await gateway.stop();
  }
}

export async function measureOverload() {
  const load = await forkPinned('load.mjs');
  const body = JSON.stringify({
    model: 'bench',
    messages: [{ role: 'user', content: 'lorem ipsum '.repeat(PROMPT_CHARACTERS / 12) }],
  });
  console.log(
    `Overload, Node ${process.versions.node}, prompts of ${PROMPT_CHARACTERS} characters, ${MEASURED_MS / 1_000} s each`,
  );
  try {
    for (const delayMs of UPSTREAM_DELAYS_MS) await compare(load, delayMs, body);
    await measureRefusal(load, body);
  } finally {
    load.disconnect();
  }
}
