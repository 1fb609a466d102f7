import { execFileSync } from 'node:child_process';

/** Signals a process and everything it started: a frozen PostgreSQL is one whose every process is frozen. */
export function signalFamily(processId: number, signal: NodeJS.Signals): void {
  const list = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const children = list
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === processId)
    .map(([child]) => child ?? 0);
  for (const each of [processId, ...children]) {
    try {
      process.kill(each, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}
