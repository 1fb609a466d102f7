import { readFileSync } from 'node:fs';
import type { GatewayProcess } from '../../support/gateway-process.js';

/** Memory of a gateway's process that is in use, in MiB. */
export function residentMebibytes({ child }: GatewayProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
