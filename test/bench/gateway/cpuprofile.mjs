/** Reads a .cpuprofile of V8: where a process spent its time itself, by function and by package. */
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

const MISSING = new Set(['(idle)', '(root)']);

/**
 * @param fromMicroseconds to @param toMicroseconds of the monotonic clock: what came before is the start and the warming up
 * @returns shares of the time that the process was busy, largest first
 */
export function readProfile(file, fromMicroseconds, toMicroseconds) {
  const { nodes, samples, timeDeltas, startTime } = JSON.parse(readFileSync(file, 'utf8'));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions = new Map();
  const places = new Map();
  const owners = new Map();
  let busy = 0;
  let at = startTime;
  const add = (map, key, time) => map.set(key, (map.get(key) ?? 0) + time);
  samples.forEach((id, index) => {
    at += timeDeltas[index];
    // The time until the next sample was spent here.
    const time = timeDeltas[index + 1] ?? 0;
    const frame = frames.get(id);
    if (at < fromMicroseconds || at > toMicroseconds || MISSING.has(frame.functionName)) return;
    busy += time;
    const place = placeOf(frame);
    add(
      functions,
      `${frame.functionName || '(anonymous)'}  ${place}${frame.url ? `:${frame.lineNumber + 1}` : ''}`,
      time,
    );
    add(places, place, time);
    add(owners, ownerOf(place), time);
  });
  const rank = (map) =>
    [...map]
      .sort(([, one], [, other]) => other - one)
      .map(([name, time]) => ({ name, share: time / busy, microseconds: time }));
  return { busyMicroseconds: busy, functions: rank(functions), places: rank(places), owners: rank(owners) };
}
