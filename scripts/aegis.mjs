/**
 * `aegis` from a checkout: installs and builds what is missing, then runs the command line with the arguments given.
 * Whatever this script itself has to say goes to standard error, so that standard output is the command's alone.
 */
import './lib/node-version.mjs';
import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

await ensureInstalled();
await ensureBuilt();
process.exitCode = await run(process.execPath, [
  '--enable-source-maps',
  inRoot('dist', 'src', 'cli', 'main.js'),
  ...process.argv.slice(2),
]);
