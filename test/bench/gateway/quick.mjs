/**
 * Has the gateway become dearer? Ratios to the raw relay for five kinds of work, compared with those that are stored in
 * baseline.json: ratios hold from one machine to the next far better than microseconds do. Takes less than three minutes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { getCase } from './cases.mjs';
import { compare } from './compare.mjs';
import { startGateway } from './gateways.mjs';
import { describeMachine, sayMachine } from './machine.mjs';
import { startRelay } from './processes.mjs';
import { IN_PROCESS, WITH_REDIS, withBench } from './suite.mjs';

const BASELINE = path.join(import.meta.dirname, 'baseline.json');
const ROUNDS = 4;
/** How much dearer a ratio may be than the stored one before it counts. */
const TOLERANCE = 0.15;
const CHECKS = [
  { id: '1 KB, limits in process', case: 'json-1', kind: IN_PROCESS },
  { id: '1 KB, limits with Redis', case: 'json-1', kind: WITH_REDIS },
  { id: '100 KB', case: 'json-100', kind: IN_PROCESS },
  { id: 'stream relayed', case: 'relayed', kind: IN_PROCESS },
  { id: 'stream converted', case: 'converted', kind: IN_PROCESS },
];

async function measure(bench) {
  const ratios = {};
  for (const kind of [IN_PROCESS, WITH_REDIS]) {
    if (kind.redis && bench.stores.redisUrl === null) {
      console.log('There is no Redis here: what needs it is left out.');
      continue;
    }
    const starts = [() => startRelay('raw', bench.upstream), () => startGateway(bench, kind)];
    await bench.during(starts, async ([raw, gateway]) => {
      for (const check of CHECKS.filter((one) => one.kind === kind)) {
        const { subjects } = await compare(bench, [raw, gateway], getCase(check.case), { rounds: ROUNDS });
        ratios[check.id] = subjects[1].ratios.raw;
      }
    });
  }
  return ratios;
}

/** @returns whether nothing has become dearer */
export async function runQuick({ writeBaseline }) {
  const ratios = await withBench(measure);
  const machine = describeMachine();
  console.log(sayMachine(machine));
  if (writeBaseline) {
    const stored = Object.fromEntries(
      Object.entries(ratios).map(([id, { median }]) => [id, Number(median.toFixed(3))]),
    );
    writeFileSync(BASELINE, `${JSON.stringify({ ...machine, tolerance: TOLERANCE, ratios: stored }, null, 2)}\n`);
  }
  const baseline = JSON.parse(readFileSync(BASELINE, 'utf8'));
  let isGood = true;
  for (const [id, { median, least, most }] of Object.entries(ratios)) {
    const stored = baseline.ratios[id];
    const allowed = stored * (1 + baseline.tolerance);
    const isWorse = !(median <= allowed);
    if (isWorse) isGood = false;
    console.log(
      `${id.padEnd(26)} ${median.toFixed(2)} × the raw relay (${least.toFixed(2)}–${most.toFixed(2)})   ` +
        `stored ${stored?.toFixed(2) ?? 'none'}, at most ${allowed.toFixed(2)}   ${isWorse ? 'WORSE' : 'good'}`,
    );
  }
  return isGood;
}
