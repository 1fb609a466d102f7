import { readFileSync } from 'node:fs';
import path from 'node:path';

const INNER = 'node_modules/';

/** What package-lock.json says: every package with its place below the root, the root itself apart. */
export function readLockFile(root) {
  const { packages, lockfileVersion } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  if (lockfileVersion !== 3) throw new Error(`package-lock.json has version ${lockfileVersion}; 3 is read here.`);
  const { '': self, ...installed } = packages;
  return {
    self,
    packages: Object.entries(installed).map(([place, entry]) => ({
      ...entry,
      place,
      name: entry.name ?? nameOf(place),
    })),
  };
}

/** What `npm ci --omit=dev` may install. What is there for a production package's sake alone, if it is present, counts. */
export const isForProduction = ({ dev }) => !dev;

/** `node_modules/a/node_modules/@b/c` → `@b/c` */
export function nameOf(place) {
  return place.slice(place.lastIndexOf(INNER) + INNER.length);
}

/** Where Node finds what a package at `place` asks for (the root: ''); undefined where nothing is installed. */
export function resolvePlace(places, place, wanted) {
  for (let from = place; from !== ''; ) {
    const candidate = `${from}/${INNER}${wanted}`;
    if (places.has(candidate)) return candidate;
    // One package up: out of `/node_modules/NAME`.
    from = from.slice(0, Math.max(0, from.lastIndexOf(`/${INNER}`)));
  }
  return places.has(INNER + wanted) ? INNER + wanted : undefined;
}
