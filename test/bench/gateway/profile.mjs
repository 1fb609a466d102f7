/** `npm run bench -- --profile CASE`: where the gateway's time goes and where it allocates, with everything on. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCase } from './cases.mjs';
import { warmUp } from './compare.mjs';
import { startGateway } from './gateways.mjs';
import { readCpuMicroseconds } from './processes.mjs';
import { readAllocations, readCpuProfile } from './profiles.mjs';
import { gatewayKinds, withBench } from './suite.mjs';

const SLICES = 5;
const SAMPLE_MICROSECONDS = 200;
const SAMPLER = path.join(import.meta.dirname, 'allocation-sampler.mjs');
const TITLES = {
  allocations: 'Allocated, garbage included',
  survivors: 'What outlives the young collections',
};
const FUNCTIONS = 40;
const PLACES = 30;
const OWNERS = 25;

const nowMicroseconds = () => Number(process.hrtime.bigint() / 1_000n);

/** Several slices on end; how many requests or chunks they were. */
async function doSlices({ load, upstream }, gateway, one) {
  let units = 0;
  for (let slice = 0; slice < SLICES; slice++) {
    const { requests } = await load.ask('closedLoop', { target: gateway.target(one), ...one.load });
    units += one.unit === 'chunk' ? requests * upstream.wordsAStream : requests;
  }
  return units;
}

/** Samples tell shares; what they are shares of is measured apart. */
function print(title, ranked, count, whole, unit) {
  console.log(`\n${title}`);
  for (const { name, share } of ranked.slice(0, count)) {
    const value = (share * whole).toFixed(2).padStart(8);
    console.log(`${(share * 100).toFixed(1).padStart(5)} % ${value} ${unit}  ${name}`);
  }
}

async function profileTime(bench, one, kind, folder) {
  const nodeFlags = ['--cpu-prof', `--cpu-prof-interval=${SAMPLE_MICROSECONDS}`, '--cpu-prof-dir', folder];
  const before = new Set(readdirSync(folder));
  const measured = await bench.during([() => startGateway(bench, { ...kind, nodeFlags })], async ([gateway]) => {
    await warmUp(bench, [gateway], one);
    const cpuBefore = readCpuMicroseconds(gateway.pid);
    const from = nowMicroseconds();
    const units = await doSlices(bench, gateway, one);
    return { units, from, to: nowMicroseconds(), cpu: readCpuMicroseconds(gateway.pid) - cpuBefore };
  });
  // It is written as the gateway ends.
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile') && !before.has(name));
  if (file === undefined) throw new Error('the gateway left no profile');
  const { functions, places, owners } = readCpuProfile(path.join(folder, file), measured.from, measured.to);
  const each = measured.cpu / measured.units;
  console.log(
    `\n# Time: ${one.label}, ${kind.label}\n` +
      `${measured.units} ${one.unit}s, ${each.toFixed(1)} µs CPU each, all threads and the profiler's own included; ` +
      'shares are of the main thread',
  );
  print('By function, its own time', functions, FUNCTIONS, each, 'µs');
  print('By file or package', places, PLACES, each, 'µs');
  print('By package or room', owners, OWNERS, each, 'µs');
  console.log(`\nThe profile: ${path.join(folder, file)}`);
}

async function profileAllocations(bench, one, kind, folder, what) {
  const file = path.join(folder, `${what}-${one.id}.json`);
  const environment = { ALLOCATION_FILE: file, ALLOCATION_KIND: what };
  const options = { ...kind, nodeFlags: ['--import', SAMPLER], environment };
  const units = await bench.during([() => startGateway(bench, options)], async ([gateway]) => {
    await warmUp(bench, [gateway], one);
    process.kill(gateway.pid, 'SIGUSR2');
    const done = await doSlices(bench, gateway, one);
    process.kill(gateway.pid, 'SIGUSR2');
    while (!existsSync(file)) await sleep(100);
    await sleep(500);
    return done;
  });
  const { bytes, functions, places, owners } = readAllocations(file);
  const kilobytes = bytes / units / 1_024;
  console.log(`\n# ${TITLES[what]}: ${one.label}, ${kind.label}: ${kilobytes.toFixed(1)} KB a ${one.unit}`);
  print('By function', functions, FUNCTIONS, kilobytes, 'KB');
  print('By file or package', places, PLACES, kilobytes, 'KB');
  print('By package or room', owners, OWNERS, kilobytes, 'KB');
}

/** @param ids cases; each with gateways of its own */
export async function runProfile(ids, folder) {
  await withBench(async (bench) => {
    const kind = gatewayKinds(bench).at(-1);
    for (const one of ids.map(getCase)) {
      await profileTime(bench, one, kind, folder);
      await profileAllocations(bench, one, kind, folder, 'allocations');
      await profileAllocations(bench, one, kind, folder, 'survivors');
    }
  });
}
