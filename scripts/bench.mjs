/**
 * What things cost, on this machine. First the parts alone: translation of streamed events, usage journal, audit,
 * filters; then the whole gateway beside its baselines (docs/performance.md), which takes half an hour.
 *
 *   --only NAME          translation, journal, audit, filter or gateway, and nothing else; `overload` asks three times
 *                        as much of a gateway as it can do, which is done only when it is asked for
 *   --parts A,B          of the gateway's: cpu, latency, streams, workers, controls, start
 *   --rounds N           turns of each comparison (7)
 *   --json FILE          where all figures go, beside those of other parts that stand there
 *   --write              also into docs/performance.md and its picture
 *   --quick              only whether the gateway has become dearer; exits 1 where it has
 *   --write-baseline     with --quick: from now on compare with what is measured now
 *   --profile [CASE,…]   only where the gateway's time goes: json-1, relayed, converted or other cases
 */
import './lib/node-version.mjs';
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';

const COMPONENTS = ['translation', 'journal', 'audit', 'filter'];
const PARTS = ['cpu', 'latency', 'streams', 'workers', 'controls', 'start'];
const PROFILED = 'json-1';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    parts: { type: 'string', default: PARTS.join(',') },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    'write-baseline': { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
});
const { only, quick, write, json } = values;
const parts = values.parts.split(',');
const rounds = Number(values.rounds);
const profile = values.profile ? (positionals[0] ?? PROFILED).split(',') : [];
assert(
  only === undefined || [...COMPONENTS, 'gateway', 'overload'].includes(only),
  `--only takes ${COMPONENTS.join(', ')} gateway or overload`,
);
assert(
  parts.every((part) => PARTS.includes(part)),
  `--parts takes some of ${PARTS.join(',')}`,
);
assert(Number.isInteger(rounds) && rounds > 0, '--rounds takes a whole number');
assert(!values['write-baseline'] || quick, '--write-baseline goes with --quick');
assert(positionals.length === (values.profile ? positionals.length : 0), 'nothing is expected here but options');

await ensureInstalled();
await build();

const isGatewayOnly = quick || values.profile;
const isAsked = (name) => (only === undefined || only === name) && (name === 'gateway' || !isGatewayOnly);
if (isAsked('translation')) (await import('../test/bench/translation.mjs')).measureTranslation();
if (isAsked('journal')) await (await import('../test/bench/journal.mjs')).measureJournal();
if (isAsked('audit')) await (await import('../test/bench/audit.mjs')).measureAudit();
if (isAsked('filter')) (await import('../test/bench/filter.mjs')).measureFilter();
if (only === 'overload') await (await import('../test/bench/overload.mjs')).measureOverload();
let code = 0;
if (isAsked('gateway')) {
  const { runGatewayBench } = await import('../test/bench/gateway/run.mjs');
  code = await runGatewayBench({ quick, writeBaseline: values['write-baseline'], profile, parts, rounds, json, write });
}
process.exit(code);
