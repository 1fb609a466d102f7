/**
 * Processor time of several processes for the same work, turn by turn in one run: A B C A B C …, so that whatever else
 * the machine does falls on all of them. What counts is the ratio within a round.
 */
import { readCpuMicroseconds, waitUntilQuiet } from './processes.mjs';
import { summarise } from './statistics.mjs';

/** Until the compiler has seen it all, it is the compiler that is measured: so many slices at most, so many at least. */
const MOST_WARM_UPS = 20;
const LEAST_WARM_UPS = 4;
/** Warm is what has not been cheaper than its cheapest slice before by more than this for so many slices in a row. */
const STEADY_SLICES = 3;
const STEADY_SHARE = 0.95;

/** One slice: microseconds a request, or a chunk of a stream, of one process. */
export async function measureSlice({ load, upstream }, subject, one) {
  const before = readCpuMicroseconds(subject.pid);
  const { requests, seconds } = await load.ask('closedLoop', { target: subject.target(one), ...one.load });
  await waitUntilQuiet(subject.pid, subject.settleMs);
  const units = one.unit === 'chunk' ? requests * upstream.wordsAStream : requests;
  return { microseconds: (readCpuMicroseconds(subject.pid) - before) / units, rate: units / seconds };
}

/** All of them equally long, until the last one is warm: one that has served longer would look cheaper than it is. */
export async function warmUp(bench, subjects, one) {
  const states = subjects.map((subject) => ({ subject, cheapest: Number.POSITIVE_INFINITY, steady: 0 }));
  const isWarm = () => states.every(({ steady }) => steady >= STEADY_SLICES);
  for (let slice = 1; slice <= MOST_WARM_UPS && (slice <= LEAST_WARM_UPS || !isWarm()); slice++) {
    for (const state of states) {
      const { microseconds } = await measureSlice(bench, { ...state.subject, settleMs: 0 }, one);
      state.steady = microseconds < state.cheapest * STEADY_SHARE ? 0 : state.steady + 1;
      state.cheapest = Math.min(state.cheapest, microseconds);
    }
  }
  for (const { pid, settleMs } of subjects) await waitUntilQuiet(pid, settleMs);
}

/** For each subject its microseconds, its rate, and the ratio to each other one, round by round. */
export async function compare(bench, subjects, one, { rounds }) {
  await warmUp(bench, subjects, one);
  const slices = new Map(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) slices.get(subject.name).push(await measureSlice(bench, subject, one));
  }
  const microseconds = (name) => slices.get(name).map((slice) => slice.microseconds);
  const ratios = (name, base) => {
    const bases = microseconds(base);
    return summarise(microseconds(name).map((value, round) => value / bases[round]));
  };
  return {
    case: one.id,
    label: one.label,
    unit: one.unit,
    subjects: subjects.map(({ name, label }) => ({
      name,
      label,
      microseconds: summarise(microseconds(name)),
      rate: summarise(slices.get(name).map(({ rate }) => rate)).median,
      ratios: Object.fromEntries(
        subjects.filter((base) => base.name !== name).map((base) => [base.name, ratios(name, base.name)]),
      ),
    })),
  };
}
