/** Every test there is. Arguments go to Jest: `npm test -- --selectProjects unit -t 'name'`. */
import './lib/node-version.mjs';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

await ensureInstalled();
// Some tests start the built gateway: production runs native modules where Jest does not.
await build();
process.exitCode = await run(process.execPath, [
  inRoot('node_modules', 'jest', 'bin', 'jest.js'),
  ...process.argv.slice(2),
]);
