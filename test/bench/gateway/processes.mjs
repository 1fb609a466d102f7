/** The processes of the bench, and what /proc says of them. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const KILL_AFTER_MS = 20_000;
/** What the kernel counts processor time in: USER_HZ, 100 everywhere that Node runs. */
const MICROSECONDS_A_TICK = 10_000;
const QUIET_STEP_MS = 100;
const QUIET_DEADLINE_MS = 15_000;

const here = (name) => path.join(import.meta.dirname, name);

/** Processor time of a process so far, user's and system's, all its threads, in microseconds. */
export function readCpuMicroseconds(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The program's name stands in brackets and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_A_TICK;
}

/** Memory of a process that is in RAM, in bytes. */
export function readResidentBytes(pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1_024;
}

/** Waits `leastMs`, and then until the process does next to nothing: what it does later belongs to what it was asked. */
export async function waitUntilQuiet(pid, leastMs) {
  await sleep(leastMs);
  const deadline = performance.now() + QUIET_DEADLINE_MS;
  for (let before = readCpuMicroseconds(pid); performance.now() < deadline; ) {
    await sleep(QUIET_STEP_MS);
    const after = readCpuMicroseconds(pid);
    if (after - before <= MICROSECONDS_A_TICK) return;
    before = after;
  }
}

/** All that are running, those that are still starting among them. */
const children = new Set();

function watch(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Tells them all to end. */
export function endChildren() {
  for (const child of children) child.kill('SIGTERM');
}

/** Ends a child, first kindly; resolves once it is gone. */
export async function endChild(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const killing = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  await gone;
  clearTimeout(killing);
}

/** Forks one of this folder's programs; resolves with the child and the first thing it says. */
async function forkHelper(name, environment = {}) {
  const child = watch(fork(here(name), { env: { ...process.env, NODE_ENV: 'production', ...environment } }));
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code}`);
  });
  failed.catch(() => undefined);
  const [told] = await Promise.race([once(child, 'message'), failed]);
  return { child, told };
}

export async function startUpstream() {
  const { child, told } = await forkHelper('upstream.mjs');
  return { ...told, pid: child.pid, stop: () => endChild(child) };
}

/** The clients: `ask(action, parameters)` runs one of load.mjs' actions there. */
export async function startLoad() {
  const { child } = await forkHelper('load.mjs');
  const waiting = new Map();
  let last = 0;
  child.on('message', ({ id, result, problem }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (problem === undefined) resolve(result);
    else reject(new Error(problem));
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the load process ended'));
  });
  return {
    pid: child.pid,
    ask: (action, parameters = {}) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve, reject });
        child.send({ id: last, action, parameters });
      }),
    stop: () => endChild(child),
  };
}

/** A baseline that takes the path as it is and passes the request on: `raw` or `bytes`, see relay.mjs. */
export async function startRelay(mode, upstream) {
  const { child, told } = await forkHelper('relay.mjs', {
    RELAY_MODE: mode,
    RELAY_UPSTREAM: `http://127.0.0.1:${upstream.port}`,
  });
  return {
    name: mode,
    label: mode === 'bytes' ? 'relay, bytes only' : 'raw relay',
    pid: child.pid,
    settleMs: 0,
    target: (subject) => ({
      port: told.port,
      path: subject.upstreamPath,
      headers: { 'content-type': 'application/json' },
      body: subject.body('bench').toString('base64'),
    }),
    stop: () => endChild(child),
  };
}

/** Spawns a program; resolves once `isReady()` says so. */
export async function spawnUntil(isReady, program, parameters, options, deadlineMs = 60_000) {
  const child = watch(spawn(program, parameters, options));
  let problem = null;
  child.once('error', (error) => {
    problem = error;
  });
  for (const deadline = performance.now() + deadlineMs; !(await isReady()); await sleep(10)) {
    if (problem !== null) throw problem;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${parameters.at(-1)} ended at its start`);
    if (performance.now() > deadline) {
      await endChild(child);
      throw new Error(`${program} did not start`);
    }
  }
  return child;
}
