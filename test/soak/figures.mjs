/** What /proc and the gateway itself say of what it holds, and whether a row of such figures rises. */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readResidentBytes } from '../bench/gateway/processes.mjs';
import { until } from './stores.mjs';

export const MEBIBYTE = 1_048_576;
const LISTENING = '0A';

/** Each TCP socket of a process: its inode → local port, remote port, whether it listens. */
function readSockets(pid) {
  const sockets = new Map();
  for (const table of ['tcp', 'tcp6']) {
    const lines = readFileSync(`/proc/${pid}/net/${table}`, 'latin1').trim().split('\n').slice(1);
    for (const line of lines) {
      const fields = line.trim().split(/\s+/);
      const port = (address) => Number.parseInt(address.split(':')[1], 16);
      sockets.set(fields[9], { local: port(fields[1]), remote: port(fields[2]), isListening: fields[3] === LISTENING });
    }
  }
  return sockets;
}

function kindOf(link, sockets, { ports, peers }) {
  const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  if (inode === undefined) {
    if (link.startsWith('/')) return 'files';
    return link.startsWith('pipe:') ? 'pipes' : 'kernel';
  }
  const socket = sockets.get(inode);
  if (socket === undefined) return 'other sockets';
  if (socket.isListening) return 'listening';
  if (Object.values(ports).includes(socket.local)) return 'from clients';
  return `to ${peers.get(socket.remote) ?? 'others'}`;
}

/** Open file descriptors of all processes of the gateway, by what they are. */
export function countDescriptors({ processes, ...site }) {
  return sumUp(processes.map((pid) => countOf(pid, site)));
}

function countOf(pid, { ports, providers, postgres, redis }) {
  const peers = new Map([
    [providers.port, 'providers'],
    [postgres.port, 'PostgreSQL'],
    [redis.port, 'Redis'],
  ]);
  const sockets = readSockets(pid);
  const counts = {};
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const kind = kindOf(readlinkSync(`/proc/${pid}/fd/${name}`), sockets, { ports, peers });
      counts[kind] = (counts[kind] ?? 0) + 1;
    } catch {
      // It was closed meanwhile.
    }
  }
  return counts;
}

/** Counts by their names, together. */
function sumUp(all) {
  const together = {};
  for (const [name, count] of all.flatMap(Object.entries)) together[name] = (together[name] ?? 0) + count;
  return together;
}

/** Of all processes: memory in use as it stands, then what is left of it once all garbage is collected. Bytes. */
export async function sampleMemory({ processes, probeFile }) {
  const samples = [];
  // One after the other: the others serve meanwhile.
  for (const pid of processes) samples.push(await sampleProcess(pid, `${probeFile}.${pid}`));
  const total = (field) => samples.reduce((sum, one) => sum + one[field], 0);
  return {
    resident: total('resident'),
    live: total('live'),
    resources: sumUp(samples.map(({ resources }) => resources)),
  };
}

async function sampleProcess(pid, file) {
  const resident = readResidentBytes(pid);
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  await until(() => existsSync(file), 'the gateway did not collect its garbage');
  const { heapUsed, external, resources } = JSON.parse(readFileSync(file, 'utf8'));
  return { resident, live: heapUsed + external, resources };
}

/** The least of several looks: a file that is read just then is nothing that is held. */
export async function sampleIdle(site, looks = 5) {
  const samples = [];
  for (let look = 0; look < looks; look += 1) {
    samples.push(await sampleMemory(site));
    await sleep(300);
  }
  const [{ resident }] = samples;
  const kinds = new Set(samples.flatMap(({ resources }) => Object.keys(resources)));
  const least = (kind) => Math.min(...samples.map(({ resources }) => resources[kind] ?? 0));
  return {
    resident,
    live: Math.min(...samples.map(({ live }) => live)),
    resources: Object.fromEntries([...kinds].map((kind) => [kind, least(kind)])),
  };
}

const medianOf = (values) => {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/**
 * How much a row of figures rises from its first moment to its last: the median of the slopes between any two of them
 * (Theil and Sen), which a few that stand out do not bend. `points` are [milliseconds, figure].
 */
export function riseOf(points) {
  if (points.length < 3)
    return { rise: 0, aHour: 0, median: points.length === 0 ? 0 : medianOf(points.map(([, y]) => y)) };
  const slopes = points.flatMap(([x, y], index) =>
    points.slice(index + 1).map(([laterX, laterY]) => (laterY - y) / (laterX - x)),
  );
  const slope = medianOf(slopes);
  return {
    rise: slope * (points.at(-1)[0] - points[0][0]),
    aHour: slope * 3_600_000,
    median: medianOf(points.map(([, y]) => y)),
  };
}

export const quantile = (values, share) =>
  [...values].sort((one, other) => one - other)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;
