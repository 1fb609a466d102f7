/**
 * What the release is made of, as CycloneDX 1.6 JSON on standard output: `npm run --silent sbom > sbom.cdx.json`. It lists
 * every package that `npm ci --omit=dev` may install, out of the lock file, and is the same for the same lock file; the time is in it
 * where SOURCE_DATE_EPOCH says which. `--output FILE` writes a file instead.
 */
import './lib/node-version.mjs';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isForProduction, readLockFile, resolvePlace } from './lib/lock-file.mjs';
import { inRoot } from './lib/paths.mjs';

const { values } = parseArgs({ options: { output: { type: 'string' } } });
const { self, packages } = readLockFile(inRoot('.'));
const shipped = packages.filter(isForProduction);
const places = new Map(shipped.map((entry) => [entry.place, entry]));

function purlOf({ name, version }) {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

/** `sha512-BASE64` → CycloneDX's name of the algorithm, and hexadecimal. */
function hashesOf({ integrity = '' }) {
  return integrity.split(' ').flatMap((text) => {
    const [, bits, base64] = /^sha(256|384|512)-(.+)$/.exec(text) ?? [];
    return bits === undefined ? [] : [{ alg: `SHA-${bits}`, content: Buffer.from(base64, 'base64').toString('hex') }];
  });
}

function licensesOf({ license }) {
  if (license === undefined) return {};
  return { licenses: [/[ ()]/.test(license) ? { expression: license } : { license: { id: license } }] };
}

function componentOf(entry) {
  const [, group, name] = /^(?:(@[^/]+)\/)?(.+)$/.exec(entry.name);
  return {
    type: 'library',
    'bom-ref': purlOf(entry),
    ...(group && { group }),
    name,
    version: entry.version,
    scope: entry.optional || entry.devOptional ? 'optional' : 'required',
    hashes: hashesOf(entry),
    ...licensesOf(entry),
    purl: purlOf(entry),
  };
}

function dependenciesOf({ dependencies, optionalDependencies, peerDependencies }, place) {
  const wanted = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  const found = wanted.flatMap((name) => places.get(resolvePlace(places, place, name)) ?? []);
  return [...new Set(found.map(purlOf))].sort();
}

/** The same package in two places is one component, with what either of them depends on. */
const components = new Map();
const graph = new Map();
for (const entry of shipped) {
  const ref = purlOf(entry);
  if (!components.has(ref)) components.set(ref, componentOf(entry));
  graph.set(ref, [...new Set([...(graph.get(ref) ?? []), ...dependenciesOf(entry, entry.place)])].sort());
}

const root = { name: self.name, version: self.version };
const content = {
  component: { type: 'application', 'bom-ref': purlOf(root), ...root, purl: purlOf(root) },
  components: [...components.values()].sort((one, other) => (one.purl < other.purl ? -1 : 1)),
  dependencies: [[purlOf(root), dependenciesOf({ dependencies: self.dependencies }, '')], ...[...graph].sort()].map(
    ([ref, dependsOn]) => ({ ref, dependsOn }),
  ),
};

/** A UUID that the content decides (version 8: of our own making). */
function serialNumberOf(value) {
  const hex = createHash('sha256').update(JSON.stringify(value)).digest('hex');
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const epoch = process.env.SOURCE_DATE_EPOCH;
const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  serialNumber: serialNumberOf(content),
  version: 1,
  metadata: {
    ...(epoch && { timestamp: new Date(Number(epoch) * 1_000).toISOString() }),
    lifecycles: [{ phase: 'pre-build' }],
    component: content.component,
  },
  components: content.components,
  dependencies: content.dependencies,
};
const text = `${JSON.stringify(bom, null, 2)}\n`;
if (values.output === undefined) process.stdout.write(text);
else writeFileSync(values.output, text);
