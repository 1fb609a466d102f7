/** The bench of the whole gateway, part by part. Everything runs on the loopback, in processes of its own. */
import { getCase } from './cases.mjs';
import { compare } from './compare.mjs';
import { measureControls } from './controls.mjs';
import { startGateway } from './gateways.mjs';
import { measureLatency } from './latency.mjs';
import { describeMachine } from './machine.mjs';
import { measureOpenStreams } from './open-streams.mjs';
import { startPortkey } from './portkey.mjs';
import { findUnserved } from './probe.mjs';
import { endChildren, startLoad, startRelay, startUpstream } from './processes.mjs';
import { quantile } from './statistics.mjs';
import { startStores } from './stores.mjs';
import { measureWorkers } from './workers.mjs';

export const PARTS = ['cpu', 'latency', 'streams', 'workers', 'controls', 'start'];
export const IN_PROCESS = { name: 'aegis', label: 'AEGIS, limits in process' };
export const WITH_REDIS = { name: 'aegis-redis', label: 'AEGIS, limits with Redis', redis: true };
const CPU_CASES = ['json-1', 'json-10', 'json-100', 'prompt-100', 'relayed', 'converted'];
const STARTS = 5;

/** Runs `action` with stores, provider and clients, and ends whatever was started, last first; also where it is told to stop. */
export async function withBench(action) {
  const running = [];
  const end = async (part) => {
    if (!running.includes(part)) return;
    running.splice(running.indexOf(part), 1);
    await part.stop();
  };
  const endAll = async () => {
    for (const part of running.toReversed()) await end(part);
  };
  const start = async (starter) => {
    const part = await starter();
    if (part !== null) running.push(part);
    return part;
  };
  /** Starts something for as long as `use` takes; what comes out as null is not there. */
  const during = async (starters, use) => {
    const started = [];
    try {
      for (const starter of starters) started.push(await start(starter));
      return await use(started.filter((part) => part !== null));
    } finally {
      for (const part of started.toReversed()) await end(part);
    }
  };
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    endChildren();
    void endAll().finally(() => process.exit(130));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const stores = await start(startStores);
    const upstream = await start(startUpstream);
    const load = await start(startLoad);
    return await action({ stores, upstream, load, during });
  } catch (problem) {
    // What was under way fails because its other end was told to go: that is no news.
    if (isStopping) await new Promise(() => undefined);
    throw problem;
  } finally {
    await endAll();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** The gateways to measure: Redis only where there is one. */
export function gatewayKinds({ stores }) {
  return stores.redisUrl === null ? [IN_PROCESS] : [IN_PROCESS, WITH_REDIS];
}

/** Portkey fails at some things on some versions of Node: where it does, it is left out and named. */
export async function measureCpu(bench, { rounds, note, ids = CPU_CASES, withPortkey = true, withBytes = true }) {
  const starts = [
    () => startRelay('raw', bench.upstream),
    ...(withBytes ? [() => startRelay('bytes', bench.upstream)] : []),
    ...gatewayKinds(bench).map((kind) => () => startGateway(bench, kind)),
    ...(withPortkey ? [() => startPortkey(bench.upstream)] : []),
  ];
  return bench.during(starts, async (subjects) => {
    if (withPortkey && !subjects.some(({ name }) => name === 'portkey')) {
      note('Portkey is not installed (AEGIS_BENCH_PORTKEY): left out.');
    }
    const results = [];
    for (const one of ids.map(getCase)) {
      const unserved = await findUnserved(subjects, one);
      for (const { label, reason } of unserved.values()) note(`${label} does not serve "${one.label}": ${reason}`);
      const able = subjects.filter(({ name }) => !unserved.has(name));
      results.push(await compare(bench, able, one, { rounds }));
      note(`${one.label}: measured`);
    }
    return results;
  });
}

async function measureStart(bench) {
  const times = [];
  for (let index = 0; index < STARTS; index++) {
    await bench.during([() => startGateway(bench, gatewayKinds(bench).at(-1))], async ([gateway]) => {
      times.push(gateway.startMs);
    });
  }
  // The first one made the tables.
  const warm = times.slice(1);
  return { milliseconds: { median: quantile(warm, 0.5), least: Math.min(...warm), most: Math.max(...warm) } };
}

/** All parts, or those asked for. `note` is told what happens. */
export async function measureGateway({ parts = PARTS, rounds, note }) {
  return withBench(async (bench) => {
    if (bench.stores.redisUrl === null) note('There is no Redis here: limits are counted in process only.');
    const results = { machine: describeMachine(), rounds };
    // First, while nothing else runs.
    if (parts.includes('start')) results.start = await measureStart(bench);
    if (parts.includes('cpu')) results.cpu = await measureCpu(bench, { rounds, note });
    if (parts.includes('latency')) results.latency = await measureLatency(bench, gatewayKinds(bench), note);
    if (parts.includes('streams')) results.streams = await measureOpenStreams(bench, gatewayKinds(bench).at(-1), note);
    if (parts.includes('workers')) results.workers = await measureWorkers(bench, gatewayKinds(bench).at(-1));
    if (parts.includes('controls')) results.controls = await measureControls(bench, { rounds, note });
    return results;
  });
}
