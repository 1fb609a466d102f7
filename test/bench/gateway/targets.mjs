/** What the gateway is meant to keep to, every control on, and what a run says of it. */

const ratio = (caseId, name, base) => (results) =>
  results.cpu?.find((one) => one.case === caseId)?.subjects.find((subject) => subject.name === name)?.ratios[base]
    ?.median;
const inverse = (read) => (results) => {
  const value = read(results);
  return value === undefined ? undefined : 1 / value;
};
const added = (name, quantile) => (results) =>
  results.latency?.halves.find(({ gateway }) => gateway === name)?.figures.find((figures) => figures.name === name)
    ?.added[quantile];
const stream = (count, field) => (results) =>
  results.streams?.find(({ name, streams }) => name !== 'raw' && streams === count)?.[field];

const atMost = (limit, unit, text, read) => ({ text, limit, unit, read, isMet: (value) => value <= limit, sign: '≤' });
const atLeast = (limit, unit, text, read) => ({ text, limit, unit, read, isMet: (value) => value >= limit, sign: '≥' });

const TARGETS = [
  atMost(2.0, '×', '1 KB, limits in process, to the raw relay', ratio('json-1', 'aegis', 'raw')),
  atMost(2.6, '×', '1 KB, limits with Redis, to the raw relay', ratio('json-1', 'aegis-redis', 'raw')),
  atMost(1.5, '×', '100 KB, limits in process, to the raw relay', ratio('json-100', 'aegis', 'raw')),
  atLeast(5, '×', 'Portkey at 1 KB, plain proxying, to AEGIS', inverse(ratio('json-1', 'aegis', 'portkey'))),
  atMost(1.25, '×', 'a chunk of a stream relayed, to the raw relay', ratio('relayed', 'aegis', 'raw')),
  atMost(1.45, '×', 'a chunk of a stream converted, to the raw relay', ratio('converted', 'aegis', 'raw')),
  atMost(40, 'KB', 'memory of one open stream of 9,500', stream(9_500, 'kilobytesAStream')),
  atMost(20, 'ms', 'event-loop lag p99 with 9,500 open streams', stream(9_500, 'lagP99Ms')),
  atMost(0.5, 'ms', 'added latency at half load, p50', added('aegis', 'p50')),
  atMost(5, 'ms', 'added latency at half load, p99', added('aegis', 'p99')),
  atMost(0.5, 'ms', 'added latency at half load, p50, with Redis', added('aegis-redis', 'p50')),
  atMost(5, 'ms', 'added latency at half load, p99, with Redis', added('aegis-redis', 'p99')),
  atMost(1_500, 'ms', 'warm start', (results) => results.start?.milliseconds.median),
];

/** Those that the run says something of. */
export function judge(results) {
  return TARGETS.flatMap(({ text, limit, unit, sign, read, isMet }) => {
    const value = read(results);
    return value === undefined ? [] : [{ text, wanted: `${sign} ${limit} ${unit}`, value, unit, isMet: isMet(value) }];
  });
}
