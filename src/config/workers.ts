import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { ServerConfig } from './schema/gateway.config.js';
import { AUTO } from './schema/setting.js';

/** Where Linux says how much of the processors a container may use: of version 2 in one file, before in two. */
const QUOTA_FILES = [['/sys/fs/cgroup/cpu.max'], ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map(inFirstVersion)];

/** How many processes are to serve on a machine of so many cores. */
export function countWorkers({ workers }: Pick<ServerConfig, 'workers'>, cores: number): number {
  return workers === AUTO ? cores : workers;
}

/** The cores that this process may use. Node itself does not look at a container's quota in all its versions. */
export function countCores(): number {
  const quotas = QUOTA_FILES.map((files) => findQuota(files.map(readText).join(' ')));
  return Math.max(1, Math.floor(Math.min(availableParallelism(), ...quotas)));
}

/** From a quota and its period, e.g. `150000 100000`; no bound where there is none (`max`, `-1`). */
export function findQuota(text: string): number {
  const [, quota, period] = /^(\d+)\s+(\d+)\s*$/.exec(text) ?? [];
  return Number(period) > 0 ? Number(quota) / Number(period) : Number.POSITIVE_INFINITY;
}

function inFirstVersion(name: string): string {
  return `/sys/fs/cgroup/cpu/${name}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
