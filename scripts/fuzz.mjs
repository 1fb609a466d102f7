/**
 * Made-up input for as long as you like: `npm run fuzz -- [http|config|sse|filter] [--seconds 60] [--seed N]`. Each
 * property has that many seconds. Without a seed one is drawn; it is printed, and the same seed tries the same inputs.
 */
import './lib/node-version.mjs';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seed = values.seed ?? String(randomInt(2 ** 31));
for (const [name, value] of [
  ['--seconds', values.seconds],
  ['--seed', seed],
]) {
  if (!/^\d{1,10}$/.test(value)) {
    console.error(`${name} must be a whole number.`);
    process.exit(2);
  }
}

await ensureInstalled();
await build();
console.log(`Seed ${seed}, ${values.seconds} s for each property. Again: npm run fuzz -- --seed ${seed}`);
process.env.AEGIS_FUZZ_SEED = seed;
process.env.AEGIS_FUZZ_SECONDS = values.seconds;
process.exitCode = await run(process.execPath, [
  inRoot('node_modules', 'jest', 'bin', 'jest.js'),
  ...positionals.map((name) => `test/fuzz/${name}`),
  '--selectProjects',
  'fuzz',
]);
