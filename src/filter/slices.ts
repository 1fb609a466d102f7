import { setImmediate } from 'node:timers/promises';

/** The longest a piece of work holds the event loop, in milliseconds. */
export const SLICE_MS = 6;

/**
 * Runs work that pauses now and then. What is done within one slice is returned at once; the rest goes on slice by
 * slice, with other requests served in between, until `signal` is aborted.
 */
export function runInSlices<T>(work: Generator<void, T>, signal: AbortSignal): T | Promise<T> {
  const step = runSlice(work);
  return step.done ? step.value : runRemainingSlices(work, signal);
}

/** The same without pauses. */
export function runAtOnce<T>(work: Generator<void, T>): T {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

async function runRemainingSlices<T>(work: Generator<void, T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    await setImmediate();
    signal.throwIfAborted();
    const step = runSlice(work);
    if (step.done) return step.value;
  }
}

function runSlice<T>(work: Generator<void, T>): IteratorResult<void, T> {
  const deadlineMs = performance.now() + SLICE_MS;
  let step = work.next();
  while (!step.done && performance.now() < deadlineMs) step = work.next();
  return step;
}
