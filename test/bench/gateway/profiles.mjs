/** Reads V8's profiles: where a process spent its time itself and where it allocates, by function, file and package. */
import { readFileSync } from 'node:fs';

/** `node_modules/x`, `src/room/file`, `node:http`, or V8's own `(garbage collector)`. */
function placeOf({ functionName, url }) {
  if (url === '') return functionName;
  const dependency = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  if (dependency) return dependency[1];
  return /\/dist\/(src\/.*)\.js$/.exec(url)?.[1] ?? url;
}

/** What a group of places is called: a package, one of our rooms, Node itself. */
function ownerOf(place) {
  if (place.startsWith('src/')) return place.split('/').slice(0, 2).join('/');
  if (place.startsWith('node:')) return 'Node itself';
  return place;
}

const NOT_BUSY = new Set(['(idle)', '(root)']);

/** Sums by function, by file or package, and by package or room. */
class Ranking {
  total = 0;
  #functions = new Map();
  #places = new Map();
  #owners = new Map();

  add(frame, value) {
    this.total += value;
    const place = placeOf(frame);
    const line = frame.url ? `:${frame.lineNumber + 1}` : '';
    for (const [map, key] of [
      [this.#functions, `${frame.functionName || '(anonymous)'}  ${place}${line}`],
      [this.#places, place],
      [this.#owners, ownerOf(place)],
    ]) {
      map.set(key, (map.get(key) ?? 0) + value);
    }
  }

  /** Shares of all, largest first. */
  toShares() {
    const rank = (map) =>
      [...map].sort(([, one], [, other]) => other - one).map(([name, value]) => ({ name, share: value / this.total }));
    return { functions: rank(this.#functions), places: rank(this.#places), owners: rank(this.#owners) };
  }
}

/**
 * A .cpuprofile, between two moments in microseconds of the monotonic clock: what came before is the start and the
 * warming up. Shares are of the time that the main thread was busy.
 */
export function readCpuProfile(file, fromMicroseconds, toMicroseconds) {
  const { nodes, samples, timeDeltas, startTime } = JSON.parse(readFileSync(file, 'utf8'));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const ranking = new Ranking();
  let at = startTime;
  samples.forEach((id, index) => {
    at += timeDeltas[index];
    const frame = frames.get(id);
    if (at < fromMicroseconds || at > toMicroseconds || NOT_BUSY.has(frame.functionName)) return;
    // The time until the next sample was spent here.
    ranking.add(frame, timeDeltas[index + 1] ?? 0);
  });
  return ranking.toShares();
}

/** What allocation-sampler.mjs wrote: bytes allocated, garbage included. */
export function readAllocations(file) {
  const ranking = new Ranking();
  const visit = ({ callFrame, selfSize, children }) => {
    if (selfSize > 0) ranking.add(callFrame, selfSize);
    for (const child of children) visit(child);
  };
  visit(JSON.parse(readFileSync(file, 'utf8')).head);
  return { bytes: ranking.total, ...ranking.toShares() };
}
