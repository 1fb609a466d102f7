/** The figures of a run as tables of Markdown, for the terminal and for the docs alike. */
import { sayMachine } from './machine.mjs';
import { judge } from './targets.mjs';

const fixed = (value, digits = 2) => value.toFixed(digits);
const micro = (value) => fixed(value, value < 100 ? 1 : 0);
const range = ({ median, least, most }, digits = 2) =>
  `${fixed(median, digits)} (${fixed(least, digits)}–${fixed(most, digits)})`;

function table(headings, rows) {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => [...String(row[column])].length)));
  const line = (row) => `| ${row.map((cell, column) => String(cell).padEnd(widths[column])).join(' | ')} |`;
  return [line(headings), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

function cpuTable({ cpu }) {
  const rows = cpu.flatMap(({ label, unit, subjects }) =>
    subjects.map((subject) => [
      label,
      subject.label,
      `${micro(subject.microseconds.median)} a ${unit}`,
      subject.ratios.raw ? range(subject.ratios.raw) : '1',
      subject.ratios.bytes ? fixed(subject.ratios.bytes.median) : subject.name === 'bytes' ? '1' : '–',
    ]),
  );
  return table(['case', 'process', 'CPU µs, median', '× raw relay (least–most)', '× bytes only'], rows);
}

function latencyTable({ latency }) {
  const row = (at, { label, requests, milliseconds, added }) => [
    at,
    label,
    requests,
    ...['p50', 'p99', 'p999'].map((key) => fixed(milliseconds[key])),
    ...['p50', 'p99', 'p999'].map((key) => (label === 'direct' ? '–' : fixed(added[key]))),
  ];
  const rows = [
    ...latency.low.map((one) => row(`${one.rate}/s`, one)),
    ...latency.halves.flatMap(({ capacity, figures }) =>
      figures.map((one) => row(`${one.rate}/s, half of ${capacity}/s`, one)),
    ),
  ];
  return table(['rate', 'process', 'requests', 'p50 ms', 'p99', 'p99.9', 'added p50', 'p99', 'p99.9'], rows);
}

function streamsTable({ streams }) {
  const rows = streams.map((one) => [
    one.streams,
    one.label,
    fixed(one.kilobytesAStream, 1),
    fixed(one.residentMegabytes, 0),
    fixed(one.eventsASecond, 0),
    `${fixed(one.cpuPercent, 0)} %`,
    one.lagP99Ms === null ? '–' : fixed(one.lagP99Ms, 1),
  ]);
  return table(['open streams', 'process', 'KB a stream', 'RSS MB', 'events/s', 'of a core', 'loop lag p99 ms'], rows);
}

function workersTable({ workers }) {
  const [{ rate: alone }] = workers;
  const rows = workers.map(({ workers: count, label, rate, microseconds }) => [
    String(count),
    label,
    fixed(rate, 0),
    `${fixed(rate / alone, 2)} ×`,
    fixed(microseconds, 0),
  ]);
  return table(['workers', 'process', 'requests/s', 'to one', 'CPU µs a request, all processes'], rows);
}

function controlsTable({ controls }) {
  const rows = controls.map(({ control, label, unit, microseconds, ratio }) => [
    control,
    label,
    `${fixed(microseconds, 1)} a ${unit}`,
    range(ratio),
  ]);
  return table(['control', 'case', 'CPU µs it costs', 'everything on ÷ without it'], rows);
}

function targetsTable(results) {
  const rows = judge(results).map(({ text, wanted, value, unit, isMet }) => [
    text,
    wanted,
    `${fixed(value, unit === 'ms' && value > 100 ? 0 : 2)} ${unit}`,
    isMet ? 'met' : 'missed',
  ]);
  return table(['target', 'wanted', 'measured', ''], rows);
}

const SECTIONS = [
  ['Processor time', (results) => results.cpu && cpuTable(results)],
  ['Latency, 1 KB', (results) => results.latency && latencyTable(results)],
  ['Open streams', (results) => results.streams && streamsTable(results)],
  ['Workers, 1 KB', (results) => results.workers && workersTable(results)],
  ['What each control costs', (results) => results.controls && controlsTable(results)],
  [
    'Warm start',
    (results) => results.start && `Process start to ready, database up: ${range(results.start.milliseconds, 0)} ms.`,
  ],
  ['Targets', (results) => judge(results).length > 0 && targetsTable(results)],
];

/** Every section that the run has figures for, each under a heading of `level`. */
export function toMarkdown(results, level = 3) {
  const sections = SECTIONS.flatMap(([title, make]) => {
    const text = make(results);
    return text ? [`${'#'.repeat(level)} ${title}\n\n${text}`] : [];
  });
  return [sayMachine(results.machine), ...sections].join('\n\n');
}
