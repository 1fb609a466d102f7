/**
 * What the filter's engine costs, with the shipped rules: ordinary prompts of 10 KB, the same with much to decode in them,
 * and texts made against each rule. Compiled code, processor time of one thread, no gateway. Beside each figure stands what
 * reading the same text once costs (`charCodeAt` of every character, and `JSON.parse` of it as a string).
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { attacksOn, attacksOnAll } from './filter-attacks.mjs';
import { prompts } from './filter-prompts.mjs';

/** The first half of the rounds is for the compiler. */
const ROUNDS = 800;
const ATTACK = 65_536;
const LONG_ATTACK = 1_048_576;
const SHORT_ATTACK = 16_384;
const MEASURED_ATTACKS = 40;
/** The quickest counts, of short and long texts alike. */
const ATTACK_ROUNDS = 8;
const SHOWN_ATTACKS = 12;
const dist = process.env.AEGIS_BENCH_DIST ?? new URL('../../dist/', import.meta.url).pathname;
const load = (file) => import(path.join(dist, 'src/filter', file));

const { loadRules } = await load('rules/rule-loader.js');
const { RuleScanner } = await load('engine/rule-scanner.js');
const { ScanBudget, ScanBudgetExceededError } = await load('engine/scan-budget.js');
const { RulesDetector } = await load('detectors/rules.detector.js');

function detect(detector, text) {
  const scan = detector.scan(text, ScanBudget.forCharacters(text.length));
  for (;;) {
    const step = scan.next();
    if (step.done) return step.value;
  }
}

/** False where the budget ended it. */
function tryDetect(detector, text) {
  try {
    detect(detector, text);
    return true;
  } catch (error) {
    if (error instanceof ScanBudgetExceededError) return false;
    throw error;
  }
}

function readCharacters(text) {
  let sum = 0;
  for (let index = 0; index < text.length; index++) sum += text.charCodeAt(index);
  return sum;
}

function median(figures) {
  return figures.sort((one, other) => one - other)[figures.length >>> 1];
}

/** Medians in microseconds of several kinds of work on a text, turn by turn. */
function measure(works, text, rounds) {
  const figures = works.map(() => []);
  for (let round = 0; round < rounds; round++) {
    works.forEach((work, index) => {
      const startedAt = process.hrtime.bigint();
      work(text);
      figures[index].push(Number(process.hrtime.bigint() - startedAt) / 1_000);
    });
  }
  return figures.map((list) => median(list.slice(list.length >>> 1)));
}

function measurePrompts(detector) {
  for (const { name, text } of prompts()) {
    const json = JSON.stringify(text);
    const works = [(each) => detect(detector, each), readCharacters, () => JSON.parse(json)];
    const [cost, bare, parse] = measure(works, text, ROUNDS);
    const bytes = Buffer.byteLength(text);
    console.log(
      `${name.padEnd(30)} ${cost.toFixed(1).padStart(7)} µs  ${(bytes / cost).toFixed(0).padStart(5)} MB/s` +
        `   charCodeAt ${bare.toFixed(1).padStart(5)} µs   JSON.parse ${parse.toFixed(1).padStart(5)} µs` +
        `   ${bytes} bytes, ${detect(detector, text).length} matches`,
    );
  }
}

/** Processor time in microseconds, of the quickest of a few runs: the machine does more than this. */
function quickest(work, rounds) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, user + system);
  }
  return best;
}

/** Microseconds, and whether the budget lasted. */
function attackWith(detector, text, rounds) {
  let isRead = true;
  const cost = quickest(() => {
    isRead = tryDetect(detector, text);
  }, rounds);
  return { cost, isRead };
}

/** All attacks are tried once on short texts; the worst of them, and of each family, are measured. */
function measureAttacks(detector, rules) {
  const attacks = [...rules.flatMap(attacksOn), ...attacksOnAll(rules)];
  const tried = attacks
    .map((attack) => ({ ...attack, ...attackWith(detector, attack.of(SHORT_ATTACK), 2) }))
    .sort((one, other) => other.cost - one.cost);
  const worstOfFamilies = new Map(tried.toReversed().map((attack) => [attack.family, attack]));
  const results = [...new Set([...tried.slice(0, MEASURED_ATTACKS), ...worstOfFamilies.values()])]
    .map((attack) => {
      // The long one first: what its kind takes is compiled by then.
      const long = attackWith(detector, attack.of(LONG_ATTACK), ATTACK_ROUNDS);
      const short = attackWith(detector, attack.of(ATTACK), ATTACK_ROUNDS);
      const slope = Math.log(long.cost / short.cost) / Math.log(LONG_ATTACK / ATTACK);
      return { ...attack, short, long, slope };
    })
    .sort((one, other) => other.short.cost - one.short.cost);
  console.log(`${attacks.length} attacks on ${rules.length} rules; the worst (! = refused, the budget was spent):`);
  for (const result of results.slice(0, SHOWN_ATTACKS)) {
    console.log(
      `  ${result.name.padEnd(60)} 64 KB ${milliseconds(result.short)}   1 MB ${milliseconds(result.long)}   slope ${result.slope.toFixed(2)}`,
    );
  }
  const steepest = results.reduce((worst, result) => (result.slope > worst.slope ? result : worst));
  console.log(
    `worst 64 KB:${milliseconds(results[0].short)}; steepest: slope ${steepest.slope.toFixed(2)}, ${steepest.name}`,
  );
}

function milliseconds({ cost, isRead }) {
  return `${(cost / 1_000).toFixed(2).padStart(7)} ms${isRead ? ' ' : '!'}`;
}

/** Prints a line for each kind of prompt, and the worst attacks. */
export function measureFilter() {
  const { rules } = loadRules(readFileSync(path.join(dist, 'config/secret-rules.yaml'), 'utf8'), 'secrets');
  const detector = new RulesDetector(new RuleScanner(rules));
  console.log(`${rules.length} rules`);
  // One round of everything first: what is measured shall not be the first text of its kind.
  for (const { text } of prompts()) for (let round = 0; round < 50; round++) detect(detector, text);
  measurePrompts(detector);
  measureAttacks(detector, rules);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) measureFilter();
