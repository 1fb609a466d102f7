/**
 * What comes from others: licences, install scripts, where packages come from and what they must be. Needs no network;
 * the last step asks the registry for known vulnerabilities and says so plainly where it has no such service.
 * `--root DIR` checks another folder's package.json, lock file and node_modules; `--offline` leaves the last step out.
 */
import './lib/node-version.mjs';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isForProduction, readLockFile } from './lib/lock-file.mjs';
import { inRoot } from './lib/paths.mjs';

const { values } = parseArgs({ options: { root: { type: 'string' }, offline: { type: 'boolean', default: false } } });
const root = path.resolve(values.root ?? inRoot('.'));
const { self, packages } = readLockFile(root);
const shipped = packages.filter(isForProduction);

/** Permissive all of them: they ask for a notice at most. Another one is a decision, and is made here. */
const ALLOWED_LICENSES = new Set([
  ...[
    '0BSD',
    'Apache-2.0',
    'BlueOak-1.0.0',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'CC0-1.0',
    'ISC',
    'MIT',
    'Python-2.0',
    'Unlicense',
  ],
]);
const REGISTRY_TARBALL = /^https:\/\/[^/@?#]+\/(?:[^?#]*\/)?-\/[^/?#]+\.tgz$/;
const AUDIT_TIMEOUT_MS = 60_000;

/** SPDX: of `A OR B` one has to be allowed, of `A AND B` both. No brackets within brackets occur. */
function isAllowed(expression) {
  const plain = expression.replace(/^\((.*)\)$/, '$1');
  if (plain.includes(' OR ')) return plain.split(' OR ').some(isAllowed);
  if (plain.includes(' AND ')) return plain.split(' AND ').every(isAllowed);
  return ALLOWED_LICENSES.has(plain);
}

function findLicenseProblems() {
  return shipped.flatMap(({ place, name, version, license }) => {
    const file = path.join(root, place, 'package.json');
    const installed = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    const own = typeof installed.license === 'object' ? installed.license?.type : installed.license;
    const said = [...new Set([license, own].filter((text) => text !== undefined))];
    if (said.length === 0) return [`${name}@${version} names no licence`];
    return said.filter((text) => !isAllowed(text)).map((text) => `${name}@${version} is under ${text}`);
  });
}

function findScriptProblems() {
  const problems = shipped
    .filter(({ hasInstallScript }) => hasInstallScript)
    .map(({ name, version }) => `${name}@${version} runs a script when it is installed`);
  const settings = path.join(root, '.npmrc');
  const isOff = existsSync(settings) && /^ignore-scripts=true$/m.test(readFileSync(settings, 'utf8'));
  return isOff ? problems : [...problems, '.npmrc does not say ignore-scripts=true'];
}

/** A package for another kind of machine, of development only, that whoever wrote the lock file never had. */
function isForeignTool({ dev, optional, os, cpu }) {
  return dev === true && optional === true && (os !== undefined || cpu !== undefined);
}

function findIntegrityProblems() {
  return packages
    .filter((entry) => !/\bsha512-/.test(entry.integrity ?? '') && !isForeignTool(entry))
    .map(({ name, version }) => `${name}@${version} has no SHA-512 in the lock file`);
}

function findSourceProblems() {
  return packages.flatMap(({ name, version, resolved, link }) => {
    if (link) return [`${name} is a link`];
    if (resolved === undefined || REGISTRY_TARBALL.test(resolved)) return [];
    return [`${name}@${version} does not come from a registry: ${resolved}`];
  });
}

function findVersionProblems() {
  const named = Object.entries({ ...self.dependencies, ...self.devDependencies });
  return named
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name} is wanted as ${version}, not as one version`);
}

/** Known vulnerabilities of what is shipped; null where nobody can be asked. */
function findVulnerabilities() {
  const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json', '--fetch-retries=0'], {
    cwd: root,
    encoding: 'utf8',
    timeout: AUDIT_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  const report = parseReport(stdout);
  if (report?.vulnerabilities === undefined) return null;
  return Object.values(report.vulnerabilities).map(
    ({ name, severity, range }) => `${name}: ${severity}${range ? ` (${range})` : ``}`,
  );
}

function parseReport(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const checks = [
  ['licences are allowed', findLicenseProblems],
  ['nothing runs when it is installed', findScriptProblems],
  ['every package is known by its hash', findIntegrityProblems],
  ['every package comes from a registry', findSourceProblems],
  ['every package is named by one version', findVersionProblems],
];

let failed = false;
console.log(`${packages.length} packages are locked, ${shipped.length} of them for production`);
for (const [name, find] of checks) report(name, find());

if (values.offline) console.log('  –   known vulnerabilities: not asked for');
else {
  const found = findVulnerabilities();
  if (found === null) console.log('  –   known vulnerabilities: no advisory service answers; nothing is known of any');
  else report('no vulnerability is known', found);
}
process.exitCode = failed ? 1 : 0;

function report(name, problems) {
  console.log(`  ${problems.length === 0 ? 'ok ' : 'BAD'} ${name}`);
  for (const problem of problems) console.log(`        ${problem}`);
  if (problems.length > 0) failed = true;
}
