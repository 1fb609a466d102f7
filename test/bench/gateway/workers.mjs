/**
 * What more workers bring: the same gateway with one and with two, turn by turn, each with the machine to itself. The
 * processor time is that of the primary and of all its workers. Clients and provider run on the same machine.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCase } from './cases.mjs';
import { startGateway } from './gateways.mjs';
import { readCpuMicroseconds } from './processes.mjs';
import { quantile } from './statistics.mjs';

const COUNTS = [1, 2];
const TURNS = 5;
const WARM_UP = { connections: 64, durationMs: 10_000 };
const TURN = { connections: 64, durationMs: 3_000 };

const familyOf = (pid) => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
};

const cpuOf = ({ pid }) => familyOf(pid).reduce((sum, each) => sum + readCpuMicroseconds(each), 0);

export async function measureWorkers(bench, kind) {
  const one = getCase('json-1');
  const starts = COUNTS.map((workers) => () => startGateway(bench, { ...kind, changes: { server: { workers } } }));
  return bench.during(starts, async (gateways) => {
    const ask = (gateway, how) => bench.load.ask('closedLoop', { target: gateway.target(one), ...how });
    for (const gateway of gateways) await ask(gateway, WARM_UP);
    const turns = COUNTS.map(() => []);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [index, gateway] of gateways.entries()) {
        const before = cpuOf(gateway);
        const { requests, seconds } = await ask(gateway, TURN);
        await sleep(gateway.settleMs);
        turns[index].push({ rate: requests / seconds, microseconds: (cpuOf(gateway) - before) / requests });
      }
    }
    return COUNTS.map((workers, index) => {
      const median = (name) =>
        quantile(
          turns[index].map((turn) => turn[name]),
          0.5,
        );
      return { workers, label: kind.label, rate: median('rate'), microseconds: median('microseconds') };
    });
  });
}
