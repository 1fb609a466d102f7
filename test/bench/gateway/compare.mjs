/**
 * Processor time of several processes for the same work, turn by turn in one run: A B C A B C …, so that whatever else
 * the machine does falls on all of them. What counts is the ratio within a round.
 */
import { readCpuMicroseconds, waitUntilQuiet } from './processes.mjs';
import { summarise } from './statistics.mjs';

/** Until the compiler has seen it all, it is the compiler that is measured: so many slices at most, so many at least. */
const MOST_WARM_UPS = 20;
const LEAST_WARM_UPS = 3;
/** A process is warm once this many slices in a row have not been cheaper than the cheapest before by more than this. */
const STEADY_SLICES = 2;
const STEADY_SHARE = 0.95;

/** One slice: microseconds a request, or a chunk of a stream, of one process. */
export async function measureSlice({ load, upstream }, subject, one) {
  const before = readCpuMicroseconds(subject.pid);
  const { requests, seconds } = await load.ask('closedLoop', { target: subject.target(one), ...one.load });
  await waitUntilQuiet(subject.pid, subject.settleMs);
  const units = one.unit === 'chunk' ? requests * upstream.wordsAStream : requests;
  return { microseconds: (readCpuMicroseconds(subject.pid) - before) / units, rate: units / seconds };
}

export async function warmUp(bench, subject, one) {
  let cheapest = Number.POSITIVE_INFINITY;
  let steady = 0;
  for (let slice = 1; slice <= MOST_WARM_UPS && (slice <= LEAST_WARM_UPS || steady < STEADY_SLICES); slice++) {
    const { microseconds } = await measureSlice(bench, { ...subject, settleMs: 0 }, one);
    steady = microseconds < cheapest * STEADY_SHARE ? 0 : steady + 1;
    cheapest = Math.min(cheapest, microseconds);
  }
  await waitUntilQuiet(subject.pid, subject.settleMs);
}

/**
 * For each subject its microseconds and its rate, and for each but the first the ratio to the first, round by round.
 * `isWarm`: the subjects have done this case before.
 */
export async function compare(bench, subjects, one, { rounds, isWarm = false }) {
  if (!isWarm) for (const subject of subjects) await warmUp(bench, subject, one);
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
