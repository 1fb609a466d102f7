import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inRoot, root } from './paths.mjs';
import { run } from './run.mjs';

function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** A package of its own: other people's libraries, which only the end-to-end tests need. */
const CLIENTS = inRoot('test', 'clients');

/**
 * Why a folder's node_modules cannot be used as it is; null where it can. npm notes what it installed in
 * node_modules/.package-lock.json, and writes that note last: an interrupted install has none.
 */
export function findInstallProblem(folder = root) {
  const wanted = readLock(path.join(folder, 'package-lock.json'));
  if (!wanted) {
    const lock = path.relative(root, path.join(folder, 'package-lock.json'));
    throw new Error(`${lock} is missing or broken; restore it from the repository.`);
  }
  const installed = readLock(path.join(folder, 'node_modules', '.package-lock.json'));
  if (!installed) return 'nothing is installed yet';
  for (const [location, { version, integrity, optional, devOptional, peer }] of Object.entries(wanted)) {
    if (location === '') continue;
    const found = installed[location];
    // What is made for other machines (a database for another processor) is rightly absent.
    if (!found && (optional || devOptional || peer)) continue;
    if (!found || !existsSync(path.join(folder, location))) return `${location} is missing`;
    if (found.version !== version || found.integrity !== integrity) return `${location} is not version ${version}`;
  }
  return null;
}

/** Installs exactly what package-lock.json names, where that is not there already; ends the process where it cannot. */
export async function ensureInstalled() {
  const code = await install(root, 'packages');
  if (code !== 0) process.exit(code);
}

/**
 * The same for the client libraries of `test/clients`. Without them all other tests can run: what needs them says so
 * itself.
 */
export async function ensureClientsInstalled() {
  await install(CLIENTS, 'client libraries');
}

/** Resolves with npm's exit code, 0 where nothing had to be done. npm's progress goes to stderr. */
async function install(folder, what) {
  const problem = findInstallProblem(folder);
  if (problem === null) return 0;
  console.error(`Installing ${what} (${problem}) …`);
  const startedAt = performance.now();
  // npm draws its progress on a terminal only; elsewhere, a line now and then shows that it is alive.
  const ticker = setInterval(() => {
    console.error(`  … still installing, ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }, 10_000);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const code = await run(npm, ['ci', '--include=dev', '--loglevel=error', '--no-json', '--progress'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  }).finally(() => clearInterval(ticker));
  if (code === 0) console.error(`Installed in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  else {
    console.error(
      `npm could not install the ${what}; its own message stands above. Is the package registry reachable?`,
    );
  }
  return code;
}
