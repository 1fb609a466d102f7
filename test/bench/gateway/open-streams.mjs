/**
 * Many streams open at once, each with one event a second: what one takes of the gateway's memory, and how late its
 * event loop is. Each stream takes two file descriptors there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { getCase } from './cases.mjs';
import { readMetric, startGateway } from './gateways.mjs';
import { readCpuMicroseconds, readResidentBytes, startRelay, waitUntilQuiet } from './processes.mjs';

export const COUNTS = [2_000, 9_500];
/** Opened and closed before, so that what a first stream costs once is not counted. */
const FIRST_STREAMS = 200;
const FIRST_MS = 3_000;
const SETTLE_MS = 5_000;
const WATCH_MS = 15_000;
/** Node's histogram counts the time from one sample to the next, and takes one each 10 ms: that much is no lag. */
const SAMPLE_MS = 10;
const LAG = 'nodejs_eventloop_lag_p99_seconds';

async function holdAndLook({ load }, subject, one, count) {
  const target = subject.target(one);
  await load.ask('hold', { target, count: FIRST_STREAMS });
  await sleep(FIRST_MS);
  await load.ask('release');
  await waitUntilQuiet(subject.pid, subject.settleMs);
  const before = readResidentBytes(subject.pid);

  await load.ask('hold', { target, count });
  await sleep(SETTLE_MS);
  // Each look at the metric begins it anew.
  if (subject.metricsUrl) await readMetric(subject, LAG);
  const first = await load.ask('countHeld');
  const cpuBefore = readCpuMicroseconds(subject.pid);
  const startedAt = performance.now();
  await sleep(WATCH_MS);
  const cpu = readCpuMicroseconds(subject.pid) - cpuBefore;
  const seconds = (performance.now() - startedAt) / 1_000;
  const resident = readResidentBytes(subject.pid);
  const lagP99Ms = subject.metricsUrl ? Math.max(0, (await readMetric(subject, LAG)) * 1_000 - SAMPLE_MS) : null;
  const last = await load.ask('countHeld');
  await load.ask('release');
  if (last.open !== count) throw new Error(`${count - last.open} of ${count} streams broke off at ${subject.label}`);
  return {
    name: subject.name,
    label: subject.label,
    streams: count,
    kilobytesAStream: (resident - before) / count / 1_024,
    residentMegabytes: resident / 1_024 ** 2,
    eventsASecond: (last.reads - first.reads) / seconds,
    cpuPercent: cpu / seconds / 10_000,
    lagP99Ms,
  };
}

export async function measureOpenStreams(bench, kind, note, counts = COUNTS) {
  const one = getCase('open-relayed');
  const results = [];
  for (const count of counts) {
    for (const start of [() => startGateway(bench, kind), () => startRelay('raw', bench.upstream)]) {
      // A process of its own each time: memory that was once taken is not given back.
      await bench.during([start], async ([subject]) => results.push(await holdAndLook(bench, subject, one, count)));
    }
    note(`${count} open streams: measured`);
  }
  return results;
}
