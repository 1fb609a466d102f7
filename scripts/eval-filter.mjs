/**
 * How much of what should be found is found, and how much of what should not: fresh invented credentials in chat prose
 * and disguised, other scanners' labelled texts, and the installed packages' documentation and code. Prints a table of
 * targets and what was reached; exit code 1 where a target is missed.
 *
 * `--seed N` makes the same credentials again, `--tokens N` so many of each type, `--corpus FOLDER` and `--megabytes N`
 * choose the ordinary text, `--rules FILE` the rules.
 */
import './lib/node-version.mjs';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { inRoot } from './lib/paths.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    tokens: { type: 'string', default: '10' },
    corpus: { type: 'string', default: inRoot('node_modules') },
    megabytes: { type: 'string', default: '100' },
    rules: { type: 'string', default: inRoot('config/secret-rules.yaml') },
  },
});
const seed = values.seed === undefined ? Date.now() % 4_294_967_296 : Number(values.seed);
const tokens = Number(values.tokens);
const megabytes = Number(values.megabytes);
assert([seed, tokens, megabytes].every(Number.isInteger), '--seed, --tokens and --megabytes take whole numbers');

await ensureInstalled();
await build();
const { loadRules } = await import('../dist/src/filter/rules/rule-loader.js');
const { RuleScanner } = await import('../dist/src/filter/engine/rule-scanner.js');
const { RulesDetector } = await import('../dist/src/filter/detectors/rules.detector.js');
const { detectAll } = await import('../dist/src/filter/detectors/text-detector.js');
const { measureWrapped, measureDisguised } = await import('../test/eval/recall.mjs');
const { findGivenCases, GIVEN_FILES, measureGiven } = await import('../test/eval/given-cases.mjs');
const { measureAlarms } = await import('../test/eval/ordinary-text.mjs');
const { describeCounts } = await import('../test/eval/tally.mjs');

const { rules, problems } = loadRules(readFileSync(values.rules, 'utf8'), 'secrets');
assert.deepEqual(problems, [], 'the rules cannot be used');
const detector = new RulesDetector(new RuleScanner(rules));
const findAll = (text) => detectAll(detector, text);
/** What is specific enough to be acted upon, not only noted. */
const findSpecific = (text) => findAll(text).filter(({ actions }) => actions.request !== 'flag');

const rows = [];
const percent = (share) => `${(100 * share).toFixed(2)} %`;

function note(name, tally, target, ways = true) {
  const reached = `${percent(tally.share)} (${tally.hits} of ${tally.all})`;
  rows.push({
    name,
    target: target === null ? '–' : `≥ ${percent(target)}`,
    reached,
    met: tally.share >= (target ?? 0),
  });
  if (tally.hits === tally.all) return;
  console.log(`${name}: missed ${describeCounts(tally.missedKinds)}`);
  if (ways) console.log(`${' '.repeat(name.length)}  in ${describeCounts(tally.missedWays)}`);
}

console.log(`seed ${seed}, ${tokens} fresh credentials of each type, ${rules.length} rules`);
note('core secrets, wrapped', measureWrapped(findSpecific, { seed, tokens }), 0.98);
note('core secrets, disguised', measureDisguised(findSpecific, { seed: seed + 1, tokens }), 0.95);

const folder = findGivenCases(process.env);
if (folder === null) console.log('given cases: not on this machine');
for (const file of folder === null ? [] : GIVEN_FILES) {
  const { claimed, nearMisses } = measureGiven(findAll, folder, file);
  const name = file.replace(/-(?:rule-cases|snapshots|tests)\.jsonl$/, '');
  note(`given cases, ${name}`, claimed, name === 'betterleaks' ? 0.97 : null, false);
  rows.push({
    name: `near misses, ${name}`,
    target: '–',
    reached: `${nearMisses.hits} of ${nearMisses.all} found`,
    met: true,
  });
}

const { alarms, megabytes: read, perMegabyte } = measureAlarms(findSpecific, values.corpus, megabytes * 1e6);
for (const { rule, file, line } of alarms) console.log(`false alarm? ${rule} in ${file}:${line}`);
rows.push({
  name: 'alarms on ordinary text',
  target: '≤ 0.05 a MB',
  reached: `${perMegabyte.toFixed(3)} a MB (${alarms.length} in ${read.toFixed(0)} MB)`,
  met: perMegabyte <= 0.05,
});

console.log();
for (const { name, target, reached, met } of [
  { name: 'measure', target: 'target', reached: 'reached', met: true },
  ...rows,
]) {
  console.log(`${name.padEnd(28)} ${target.padEnd(12)} ${reached}${met ? '' : '   MISSED'}`);
}
process.exitCode = rows.every(({ met }) => met) ? 0 : 1;
