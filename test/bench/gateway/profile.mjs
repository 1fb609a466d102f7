/** `npm run bench -- --profile CASE`: where the gateway's time goes, with everything on. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { getCase } from './cases.mjs';
import { warmUp } from './compare.mjs';
import { readProfile } from './cpuprofile.mjs';
import { startGateway } from './gateways.mjs';
import { readCpuMicroseconds } from './processes.mjs';
import { gatewayKinds, withBench } from './suite.mjs';

const SLICES = 4;
const SAMPLE_MICROSECONDS = 200;
const FUNCTIONS = 40;
const PLACES = 30;
const OWNERS = 25;

const nowMicroseconds = () => Number(process.hrtime.bigint() / 1_000n);

function print(title, ranked, count, each) {
  console.log(`\n${title}`);
  for (const { name, share, microseconds } of ranked.slice(0, count)) {
    console.log(
      `${(share * 100).toFixed(1).padStart(5)} %  ${(microseconds / each).toFixed(2).padStart(7)} µs  ${name}`,
    );
  }
}

async function profileCase(bench, one, kind) {
  let window;
  let units = 0;
  let cpu = 0;
  let folder;
  const nodeFlags = ['--cpu-prof', `--cpu-prof-interval=${SAMPLE_MICROSECONDS}`, '--cpu-prof-dir', bench.profileFolder];
  const before = new Set(readdirSync(bench.profileFolder));
  await bench.during([() => startGateway(bench, { ...kind, nodeFlags })], async ([gateway]) => {
    folder = gateway.folder;
    await warmUp(bench, gateway, one);
    await warmUp(bench, gateway, one);
    const cpuBefore = readCpuMicroseconds(gateway.pid);
    const from = nowMicroseconds();
    for (let slice = 0; slice < SLICES; slice++) {
      const { requests } = await bench.load.ask('closedLoop', { target: gateway.target(one), ...one.load });
      units += one.unit === 'chunk' ? requests * bench.upstream.wordsAStream : requests;
    }
    window = [from, nowMicroseconds()];
    cpu = readCpuMicroseconds(gateway.pid) - cpuBefore;
  });
  const file = readdirSync(bench.profileFolder).find((name) => name.endsWith('.cpuprofile') && !before.has(name));
  if (file === undefined) throw new Error(`the gateway left no profile; its log is in ${folder}`);
  const profile = readProfile(path.join(bench.profileFolder, file), ...window);
  const each = cpu / units;
  console.log(
    `\n# ${one.label}, ${kind.label}: ${units} ${one.unit}s, ${each.toFixed(1)} µs each, the profiler's own included`,
  );
  print('By function, its own time', profile.functions, FUNCTIONS, each);
  print('By file or package', profile.places, PLACES, each);
  print('By package or room', profile.owners, OWNERS, each);
  console.log(`\nThe profile: ${path.join(bench.profileFolder, file)}`);
}

/** @param ids cases; each with a gateway of its own */
export async function runProfile(ids, profileFolder) {
  await withBench(async (bench) => {
    const kind = gatewayKinds(bench).at(-1);
    for (const one of ids.map(getCase)) await profileCase({ ...bench, profileFolder }, one, kind);
  });
}
