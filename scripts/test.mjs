/**
 * Every test there is, or with `--kind=NAME` those of one kind. Other arguments go to Jest:
 * `npm test -- test/unit/router -t 'name'`.
 */
import './lib/node-version.mjs';
import { build } from './lib/build.mjs';
import { ensureClientsInstalled, ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

const isKind = (parameter) => parameter.startsWith('--kind=');
const kinds = process.argv.slice(2).filter(isKind);
const forJest = process.argv.slice(2).filter((parameter) => !isKind(parameter));

await ensureInstalled();
if (kinds.length === 0 || kinds.includes('--kind=e2e')) await ensureClientsInstalled();
// Some tests start the built gateway: production runs native modules where Jest does not.
await build();
process.exitCode = await run(process.execPath, [
  inRoot('node_modules', 'jest', 'bin', 'jest.js'),
  ...forJest,
  // Last: Jest takes all that follows for names of projects.
  ...(kinds.length > 0 ? ['--selectProjects', ...kinds.map((kind) => kind.replace('--kind=', ''))] : []),
]);
