import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { WebSocket } from 'undici';
import type { GatewayProcess } from '../../support/gateway-process.js';

/** Memory of a gateway's process that is in use, in MiB. */
export function residentMebibytes({ child }: GatewayProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** For the environment of a gateway whose garbage is to be collected on demand; its port comes from the system. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** Has a process that was started as `INSPECTED` give up all memory that nothing holds any more. */
export async function collectGarbage(process: GatewayProcess): Promise<void> {
  const url = /Debugger listening on (ws:\S+)/.exec(process.output())?.[1];
  if (url === undefined) throw new Error('This gateway cannot be inspected.');
  const inspector = new WebSocket(url);
  await once(inspector, 'open');
  const collected = once(inspector, 'message');
  inspector.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' }));
  await collected;
  inspector.close();
}
