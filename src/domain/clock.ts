/** Time as the gateway sees it. Passed in, so that what depends on time can be tested without waiting. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970, for stamps that people and databases read. */
  nowMs(): number;
  /** Monotonic time in milliseconds, for durations and deadlines; never jumps. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
