/** Format and lint, types, the house's floors, what comes from others: each is run and shown, whatever the one before found. */
import './lib/node-version.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

await ensureInstalled();
const bin = (name) => inRoot('node_modules', '.bin', name);
const checks = [
  ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['types', bin('tsc'), ['--noEmit']],
  ['floors', bin('depcruise'), ['src', 'migrations']],
  ['what comes from others', process.execPath, [inRoot('scripts', 'check-supply.mjs'), '--offline']],
];

let failed = false;
for (const [name, program, parameters] of checks) {
  console.log(`\n— ${name}`);
  if ((await run(program, parameters)) !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;
