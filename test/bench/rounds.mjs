/** Lets timers, synchronisation and whatever else a round left behind have their turn. */
const PAUSE_MS = 50;

/**
 * Processor time, user's and system's, of one `act` in microseconds: of several rounds the quietest, for the machine does
 * more than this.
 */
export async function measureQuietest(act, { rounds, times }) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let index = 0; index < times; index++) act();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / times);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return best;
}

/** One line of a bench's output: what, and how much of it. */
export const say = (what, value, unit) => console.log(`${what.padEnd(42)} ${value.padStart(6)} ${unit}`);
