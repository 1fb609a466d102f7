import { readFileSync, readlinkSync } from 'node:fs';

/** Names one process among all that ever ran where its `/proc` can be read. */
export interface ProcessIdentity {
  readonly bootId: string;
  /** Process ids mean something within one namespace only: every container has one of its own. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** In clock ticks since the boot: ids are given again, moments are not. */
  readonly startedTicks: string;
}

/** Where the start of a process stands in `/proc/<pid>/stat`, counted from the field behind its name. */
const START_FIELD = 19;

/** This process; null on systems that do not say. */
export function findOwnIdentity(): ProcessIdentity | null {
  try {
    const startedTicks = findStart(process.pid);
    if (startedTicks === null) return null;
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { bootId, pidNamespace: readlinkSync('/proc/self/ns/pid'), pid: process.pid, startedTicks };
  } catch {
    return null;
  }
}

/** Whether that process runs; null where it cannot be told from here: another machine, boot or container. */
export function isRunning(other: ProcessIdentity | null, own: ProcessIdentity | null): boolean | null {
  if (!other || !own || other.bootId !== own.bootId || other.pidNamespace !== own.pidNamespace) return null;
  return findStart(other.pid) === other.startedTicks;
}

/** Null where there is no such process. */
function findStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything, brackets and blanks included.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie runs no more: it waits for its parent to ask how it ended.
    return fields[0] === 'Z' ? null : (fields[START_FIELD] ?? null);
  } catch {
    return null;
  }
}
