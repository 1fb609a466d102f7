/**
 * Three built gateways behind HAProxy, with Redis and PostgreSQL, under load: a rolling restart, restarts one upon the
 * other while Redis and the configuration change, a gateway that is killed, a changed configuration, a revoked key, limits
 * over all, Redis restarted, restarts with streams that last. Prints a table of figures; exits 1 where a promise is not
 * kept. `npm run test:fleet -- [restart|drain|cut|storm|kill|config|revoke|limits|redis …] [options]`
 *
 *   --clients N, --streams N          clients that ask for whole answers (12) and for streams (6), one after the other
 *   --answer TIME, --stream TIME      what an answer (50ms) and a stream (3s) take
 *   --grace TIME, --drain TIME        server.shutdown_grace (5s) and server.graceful_shutdown (30s)
 *   --slow-stream TIME                a stream that lasts longer than the grace, and shorter than the drain (12s)
 *   --endless-stream TIME, --short-drain TIME  a stream (25s) that lasts longer than that drain (5s)
 *   --check TIME                      how often the balancer asks each gateway (1s)
 *   --calm TIME                       load before and after what is done (2s)
 *   --rounds N                        how often each gateway is restarted (1)
 *   --kills N                         kills, one gateway after the other (3)
 *   --changes N, --revocations N      changed configurations (5), revoked keys (20)
 *   --redis N, --redis-away TIME      restarts of Redis (2), and how long it is away (2s)
 *   --from FOLDER                     another checkout, built: the first restarts are an upgrade from it
 *
 * A time is e.g. 250ms, 3s or 1m.
 */
import './lib/node-version.mjs';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

const PARTS = {
  restart: 'a rolling restart',
  storm: 'restarts one upon the other, Redis and the configuration meanwhile',
  kill: 'one gateway is killed',
  config: 'a changed configuration',
  revoke: 'a revoked key',
  limits: 'limits over all gateways',
  redis: 'Redis is restarted',
  drain: 'a drain that streams survive',
  cut: 'a drain that streams do not survive',
};
const DEFAULTS = {
  clients: '12',
  streams: '6',
  answer: '50ms',
  stream: '3s',
  grace: '5s',
  drain: '30s',
  check: '1s',
  calm: '2s',
  rounds: '1',
  kills: '3',
  changes: '5',
  revocations: '20',
  redis: '2',
  'redis-away': '2s',
  'slow-stream': '12s',
  'endless-stream': '25s',
  'short-drain': '5s',
  from: '',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, text]) => [name, { type: 'string', default: text }]),
  ),
});

const fail = (message) => {
  console.error(message);
  process.exit(2);
};
const count = (name) =>
  /^\d{1,6}$/.test(values[name]) ? Number(values[name]) : fail(`--${name} takes a whole number.`);
const time = (name) => {
  const [, number, unit] =
    /^(\d{1,6})(ms|s|m)$/.exec(values[name]) ?? fail(`--${name} takes a time, e.g. 250ms or 3s.`);
  return Number(number) * { ms: 1, s: 1_000, m: 60_000 }[unit];
};
const from = values.from === '' ? '' : path.resolve(values.from);
if (from !== '' && !existsSync(path.join(from, 'dist', 'src', 'main.js'))) fail(`There is no build in ${from}.`);
for (const part of positionals) if (!(part in PARTS)) fail(`Parts are ${Object.keys(PARTS).join(', ')}; not ${part}.`);

const folder = mkdtempSync(path.join(tmpdir(), 'aegis-figures-'));
process.env.AEGIS_FLEET_FIGURES = path.join(folder, 'figures.jsonl');
process.env.AEGIS_FLEET_TIMINGS = JSON.stringify({
  clients: count('clients'),
  streams: count('streams'),
  answerMs: time('answer'),
  streamMs: time('stream'),
  graceMs: time('grace'),
  drainMs: time('drain'),
  checkMs: time('check'),
  calmMs: time('calm'),
  rounds: count('rounds'),
  kills: count('kills'),
  changes: count('changes'),
  revocations: count('revocations'),
  redis: count('redis'),
  redisMs: time('redis-away'),
  slowStreamMs: time('slow-stream'),
  endlessStreamMs: time('endless-stream'),
  shortDrainMs: time('short-drain'),
  from,
});

await ensureInstalled();
await build();
const names = positionals.map((part) => PARTS[part]);
process.exitCode = await run(process.execPath, [
  inRoot('node_modules', 'jest', 'bin', 'jest.js'),
  ...(names.length > 0 ? ['-t', names.join('|')] : []),
  // What one file measures, another's load would change.
  '--runInBand',
  '--selectProjects',
  'fleet',
]);
printFigures(process.env.AEGIS_FLEET_FIGURES);
rmSync(folder, { recursive: true, force: true });

function printFigures(file) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const figures = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  const width = Math.max(0, ...figures.map(({ what }) => what.length));
  let last = '';
  for (const { part, what, figure, promise, isKept } of figures) {
    const title = Object.values(PARTS).find((name) => part.includes(name)) ?? part;
    if (title !== last) console.log(`\n${title}`);
    last = title;
    const verdict = promise === '' ? '' : ` | promised: ${promise}${isKept ? '' : ' | NOT KEPT'}`;
    console.log(`  ${what.padEnd(width)}  ${figure}${verdict}`);
  }
  const promised = figures.filter(({ promise }) => promise !== '');
  const kept = promised.filter(({ isKept }) => isKept);
  console.log(`\n${promised.length} promises, ${kept.length} kept`);
}
