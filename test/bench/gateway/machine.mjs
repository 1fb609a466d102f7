/** What figures mean nothing without. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';

export function describeMachine() {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    cpu: cpus()[0].model.trim(),
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 1024 ** 3),
    system: `${process.platform} ${release().split('-')[0]}`,
  };
}

export const sayMachine = ({ cpu, cores, memoryGigabytes, system, node, date }) =>
  `${cpu}, ${cores} cores, ${memoryGigabytes} GB, ${system}, Node ${node}, ${date}`;
