/**
 * A gateway under mixed traffic for an hour while everything around it fails in turn, and its books at the end:
 * `npm run soak -- [--minutes 60] [--rate 30]
 * [--workers 1]`. Exits 1 where memory rises, anything leaks, or a count is off.
 */
import './lib/node-version.mjs';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '30' },
    workers: { type: 'string', default: '1' },
  },
});
const minutes = Number(values.minutes);
const rate = Number(values.rate);
const workers = Number(values.workers);
if (!(minutes > 0) || !(rate > 0) || !(workers >= 1 && Number.isInteger(workers))) {
  console.error('--minutes and --rate must be numbers above zero, --workers a whole one.');
  process.exit(2);
}

await ensureInstalled();
await build();
const { runSoak } = await import('../test/soak/run.mjs');
process.exit((await runSoak({ minutes, rate, workers })) ? 0 : 1);
