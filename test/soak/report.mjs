/** What a run found: its figures as tables, and what is held against them. */
import { MEBIBYTE, quantile, riseOf } from './figures.mjs';

/** What the second half of a run may rise by, and still be called flat: a share of the median, but not less than so much. */
const FLAT = {
  resident: { share: 0.1, leastBytes: 16 * MEBIBYTE },
  live: { share: 0.04, leastBytes: 2.5 * MEBIBYTE },
};
/** Of each worker. Connections to PostgreSQL are kept while they are used now and then: database.pool_size, and one that listens. */
const MOST_TO_POSTGRES = 11;
/** Timers that come and go with the moment. */
const PASSING_TIMERS = 6;

const mebibytes = (bytes) => (bytes / MEBIBYTE).toFixed(2);

const secondHalf = (samples, field) =>
  samples.filter(({ at }) => at >= samples.at(-1).at / 2).map((one) => [one.at, one[field]]);

function judgeMemory(samples, workers) {
  return Object.entries(FLAT).map(([field, { share, leastBytes }]) => {
    const { rise, aHour, median } = riseOf(secondHalf(samples, field));
    const limit = Math.max(leastBytes * workers, share * median);
    return {
      check: `${field} memory over the second half`,
      found: `${mebibytes(rise)} MiB (${mebibytes(aHour)} an hour)`,
      wanted: `rises by ${mebibytes(limit)} MiB at most`,
      isMet: rise <= limit,
    };
  });
}

function judgeDescriptors(before, after, workers) {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((kind) => {
    const limit = kind === 'to PostgreSQL' ? MOST_TO_POSTGRES * workers : (before[kind] ?? 0);
    const found = after[kind] ?? 0;
    return { check: `descriptors: ${kind}`, found, wanted: `${limit} at most`, isMet: found <= limit };
  });
}

function judgeHandles(before, after, workers) {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((kind) => {
    // Sockets are counted by /proc, and by whom they lead to.
    const room = kind === 'Timeout' ? PASSING_TIMERS : kind === 'TCPSocketWrap' ? MOST_TO_POSTGRES : 0;
    const limit = (before[kind] ?? 0) + room * workers;
    const found = after[kind] ?? 0;
    return { check: `handles: ${kind}`, found, wanted: `${limit} at most`, isMet: found <= limit };
  });
}

/** All but the books. */
export function judge({ before, after, samples, faults, traffic, workers }) {
  const failed = faults.filter(({ isMet }) => !isMet);
  return [
    ...judgeMemory(samples, workers),
    ...judgeDescriptors(before.descriptors, after.descriptors, workers),
    ...judgeHandles(before.resources, after.resources, workers),
    {
      check: 'faults after which all was as before',
      found: `${faults.length - failed.length} of ${faults.length}`,
      wanted: 'all',
      isMet: failed.length === 0,
    },
    {
      check: 'answers that no client may get',
      found: traffic.unexpected.length,
      wanted: 0,
      isMet: traffic.unexpected.length === 0,
    },
  ];
}

function countBy(list, read) {
  const counts = {};
  for (const one of list) counts[read(one)] = (counts[read(one)] ?? 0) + 1;
  return Object.entries(counts).sort(([, one], [, other]) => other - one);
}

const line = (name, ...cells) => console.log(`  ${name.padEnd(58)} ${cells.join('  ')}`);

export function printReport({ before, after, samples, faults, traffic, logBytes }) {
  console.log('\nWhat clients got');
  for (const [ending, count] of countBy([...traffic.asked.values()], (facts) => facts.ending)) line(ending, count);
  const took = traffic.millisecondsOfWhole;
  line('whole answers, p50 and p99', `${quantile(took, 0.5).toFixed(0)} ms`, `${quantile(took, 0.99).toFixed(0)} ms`);
  if (traffic.repeated > 0) line('sent again, as the connection was gone', traffic.repeated);
  if (traffic.skipped > 0) line('not sent, as too many were open', traffic.skipped);
  for (const { id, plan, key, isStream, ending } of traffic.unexpected.slice(0, 20)) {
    line(`not expected: ${id} ${plan}${isStream ? ', stream' : ''}, key ${key}`, ending);
  }
  console.log('\nFaults');
  for (const { name, text, isMet } of faults) line(name, isMet ? text : `FAILED: ${text}`);
  console.log('\nMemory, MiB');
  const every = Math.max(1, Math.ceil(samples.length / 20));
  for (const { at, resident, live } of samples.filter(
    (_, index) => index % every === 0 || index === samples.length - 1,
  )) {
    line(`after ${(at / 60_000).toFixed(1)} minutes`, `${mebibytes(resident)} resident`, `${mebibytes(live)} live`);
  }
  line('idle before', `${mebibytes(before.resident)} resident`, `${mebibytes(before.live)} live`);
  line('idle after', `${mebibytes(after.resident)} resident`, `${mebibytes(after.live)} live`);
  line('log', `${mebibytes(logBytes)} MiB`);
}

/** Returns whether all are met. */
export function printChecks(checks) {
  console.log('\nChecks');
  for (const { check, found, wanted, isMet } of checks) {
    line(
      check,
      String(found),
      isMet ? (String(found) === String(wanted) ? '' : `(${wanted})`) : `FAILED, wanted: ${wanted}`,
    );
  }
  const failed = checks.filter(({ isMet }) => !isMet);
  console.log(
    failed.length === 0
      ? `\nAll ${checks.length} checks are met.`
      : `\n${failed.length} of ${checks.length} checks failed.`,
  );
  return failed.length === 0;
}
