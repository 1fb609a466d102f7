/**
 * What a request takes longer through a gateway than straight to the provider: at a fixed low rate, and at half of what
 * the gateway can do. Requests are sent at their time whatever became of those before. Turn by turn; what is added is
 * the difference of the quantiles over all turns.
 */
import { getCase } from './cases.mjs';
import { warmUp } from './compare.mjs';
import { startGateway } from './gateways.mjs';
import { startRelay, waitUntilQuiet } from './processes.mjs';
import { quantile } from './statistics.mjs';

const LOW_RATE = 100;
const TURNS = 5;
const LOW_TURN_MS = 4_000;
const HALF_TURN_MS = 3_000;
const CAPACITY = { connections: 32, durationMs: 2_000 };

/** The provider itself, asked without anybody between. */
const direct = (upstream) => ({
  name: 'direct',
  label: 'direct',
  pid: upstream.pid,
  settleMs: 0,
  target: (one) => ({
    port: upstream.port,
    path: one.upstreamPath,
    headers: { 'content-type': 'application/json' },
    body: one.body('bench').toString('base64'),
  }),
  stop: async () => undefined,
});

async function measureAtRate({ load }, subjects, one, { rate, durationMs }) {
  const latencies = new Map(subjects.map(({ name }) => [name, []]));
  for (let turn = 0; turn < TURNS; turn++) {
    for (const subject of subjects) {
      const result = await load.ask('openLoop', { target: subject.target(one), rate, durationMs });
      latencies.get(subject.name).push(...result.latencies);
      await waitUntilQuiet(subject.pid, subject.settleMs);
    }
  }
  const figures = (name) => {
    const at = (share) => quantile(latencies.get(name), share);
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
  };
  const base = figures('direct');
  return subjects.map(({ name, label }) => {
    const own = figures(name);
    const added = Object.fromEntries(Object.keys(own).map((key) => [key, own[key] - base[key]]));
    return { name, label, rate, requests: latencies.get(name).length, milliseconds: own, added };
  });
}

export async function measureLatency(bench, kinds, note) {
  const one = getCase('json-1');
  const starts = [
    async () => direct(bench.upstream),
    () => startRelay('raw', bench.upstream),
    ...kinds.map((kind) => () => startGateway(bench, kind)),
  ];
  return bench.during(starts, async (subjects) => {
    await warmUp(bench, subjects, one);
    const low = await measureAtRate(bench, subjects, one, { rate: LOW_RATE, durationMs: LOW_TURN_MS });
    note(`latency at ${LOW_RATE} requests a second: measured`);
    const halves = [];
    for (const gateway of subjects.filter(({ name }) => kinds.some((kind) => kind.name === name))) {
      const { requests, seconds } = await bench.load.ask('closedLoop', { target: gateway.target(one), ...CAPACITY });
      await waitUntilQuiet(gateway.pid, gateway.settleMs);
      const rate = Math.round(requests / seconds / 2);
      const compared = subjects.filter(({ name }) => name === 'direct' || name === 'raw' || name === gateway.name);
      const figures = await measureAtRate(bench, compared, one, { rate, durationMs: HALF_TURN_MS });
      halves.push({ gateway: gateway.name, label: gateway.label, capacity: 2 * rate, figures });
      note(`latency at half load, ${gateway.label}: measured`);
    }
    return { low, halves };
  });
}
