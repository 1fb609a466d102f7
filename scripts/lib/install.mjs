import { existsSync, readFileSync } from 'node:fs';
import { inRoot } from './paths.mjs';
import { run } from './run.mjs';

function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Why node_modules cannot be used as it is; null where it can. npm notes what it installed in
 * node_modules/.package-lock.json, and writes that note last: an interrupted install has none.
 */
export function findInstallProblem() {
  const wanted = readLock(inRoot('package-lock.json'));
  if (!wanted) throw new Error('package-lock.json is missing or broken; restore it from the repository.');
  const installed = readLock(inRoot('node_modules', '.package-lock.json'));
  if (!installed) return 'nothing is installed yet';
  for (const [location, { version, integrity, optional, devOptional, peer }] of Object.entries(wanted)) {
    if (location === '') continue;
    const found = installed[location];
    // What is made for other machines (a database for another processor) is rightly absent.
    if (!found && (optional || devOptional || peer)) continue;
    if (!found || !existsSync(inRoot(location))) return `${location} is missing`;
    if (found.version !== version || found.integrity !== integrity) return `${location} is not version ${version}`;
  }
  return null;
}

/** Installs exactly what package-lock.json names, where that is not there already. npm's progress goes to stderr. */
export async function ensureInstalled() {
  const problem = findInstallProblem();
  if (problem === null) return;
  console.error(`Installing packages (${problem}) …`);
  const startedAt = performance.now();
  // npm draws its progress on a terminal only; elsewhere, a line now and then shows that it is alive.
  const ticker = setInterval(() => {
    console.error(`  … still installing, ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }, 10_000);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const code = await run(npm, ['ci', '--include=dev', '--loglevel=error', '--no-json', '--progress'], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  }).finally(() => clearInterval(ticker));
  if (code !== 0) {
    console.error(
      'npm could not install the packages; its own message stands above. Is the package registry reachable?',
    );
    process.exit(code);
  }
  console.error(`Installed in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
}
