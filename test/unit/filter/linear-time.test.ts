import { readFileSync } from 'node:fs';
import { choosePersonalRules } from '../../../src/filter/detectors/personal-data.js';
import { RulesDetector } from '../../../src/filter/detectors/rules.detector.js';
import { detectAll } from '../../../src/filter/detectors/text-detector.js';
import { RuleScanner } from '../../../src/filter/engine/rule-scanner.js';
import { ScanBudget, ScanBudgetExceededError } from '../../../src/filter/engine/scan-budget.js';
import { loadRules } from '../../../src/filter/rules/rule-loader.js';
import { detector, RULE_EXAMPLES, RULES_TEXT, SHIPPED_RULES } from './support.js';

const PERSONAL_RULES = loadRules(readFileSync('config/personal-data-rules.yaml', 'utf8'), 'personal_data').rules;
const everything = new RulesDetector(new RuleScanner([...SHIPPED_RULES, ...choosePersonalRules(PERSONAL_RULES, [])]));

/** Both within one window, and long beside the longest pattern: twice the text may take twice the steps. */
const SMALL = 16_384;
const LARGE = 2 * SMALL;
const MOST = 2 * 1.2;
/** A step is about a nanosecond. */
const MOST_BETWEEN_PAUSES = 11_000_000;

function stepsOf(text: string, one = detector): number {
  const budget = new ScanBudget(Number.MAX_SAFE_INTEGER);
  const scan = one.scan(text, budget);
  while (!scan.next().done);
  return budget.spent;
}

function growth(seed: string, one = detector): number {
  const text = seed.repeat(Math.ceil(LARGE / seed.length));
  return stepsOf(text.slice(0, LARGE), one) / stepsOf(text.slice(0, SMALL), one);
}

/** With the check digits that belong to them; the accounts and cards are nobody's. */
function cardOf(customer: number): string {
  const digits = `41111111${1_000_000 + customer}`;
  const sum = [...digits].reduceRight((total, each, index) => {
    const doubled = (digits.length - index) % 2 === 1 ? 2 * Number(each) : Number(each);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

function accountOf(customer: number): string {
  const account = `37040044${String(532_013_000 + customer).padStart(10, '0')}`;
  return `DE${String(98n - (BigInt(`${account}131400`) % 97n)).padStart(2, '0')}${account}`;
}

function customerList(customers: number): string {
  return Array.from({ length: customers }, (_, each) => {
    const phone = `+49 30 ${1_234_567 + 7_919 * (each % 1_000)}`;
    return `Erika Muster;erika.muster${each}@post.acme.test;${phone};${accountOf(each)};${cardOf(each)}`;
  }).join('\n');
}

/** As generators of parsers write their tables. */
function numberTable(numbers: number): string {
  return Array.from({ length: numbers }, (_, each) => String(((each * 7_919) % 1_999) - 400).padStart(6)).join(',');
}

describe('the work an ordinary text takes', () => {
  it('is within the budget for a long list of customers with all their numbers', () => {
    const list = customerList(1_100);
    expect(list.length).toBeGreaterThan(100_000);
    expect(stepsOf(list, everything) / list.length).toBeLessThan(150);
    expect(detectAll(everything, list).length).toBeGreaterThan(4_000);
    expect(() => detectAll(everything, customerList(10_000))).not.toThrow();
  });

  it('is within the budget for a generated table of numbers', () => {
    const table = numberTable(15_000);
    expect(table.length).toBeGreaterThan(103_000);
    expect(stepsOf(table, everything) / table.length).toBeLessThan(40);
    expect(() => detectAll(everything, table)).not.toThrow();
  });

  it('is within the budget for the rules for credentials themselves, which name them all', () => {
    expect(stepsOf(RULES_TEXT) / RULES_TEXT.length).toBeLessThan(65);
    expect(() => detectAll(detector, RULES_TEXT)).not.toThrow();
    expect(() => detectAll(everything, RULES_TEXT)).not.toThrow();
  });
});

describe('the work a text takes', () => {
  it.each(SHIPPED_RULES)('grows with its length, not faster, when the beginning of $id is repeated', (rule) => {
    const example = RULE_EXAMPLES.find(({ id }) => id === rule.id)?.positive[0] ?? '';
    const nearMiss = example.slice(0, Math.max(4, Math.floor(example.length * 0.9)));
    const alone = new RulesDetector(new RuleScanner([rule]));
    for (const anchor of rule.anchors.slice(0, 1)) {
      for (const seed of [`-${anchor}`, `${anchor} `, ` ${anchor}a1`]) {
        expect(growth(seed, alone)).toBeLessThan(MOST);
      }
    }
    expect(growth(`${nearMiss} `, alone)).toBeLessThan(MOST);
  });

  it.each([
    'a',
    ' ',
    '-',
    'eyJ-',
    '%25',
    '\\\\',
    '\\u0041',
    '\u200b',
    'é',
    'aA1/',
    'aA1+\n',
    '0f',
    '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0z',
    '41004200',
    'bG9yZW0gaXBzdW0g',
    'JTQxJTQyJTQzJTQ0\n > ',
    'bG9yZW0gaXBzdW0g\n',
    '4oCL4oCL4oCL4oCL',
    '-----BEGIN ',
    'aws key ',
  ])('grows with its length, not faster, for %j over and over', (seed) => {
    expect(growth(seed)).toBeLessThan(MOST);
  });

  it('takes few steps a character where the text is ordinary', () => {
    const prose = 'The quick brown fox jumps over the lazy dog; see src/app.module.ts for the key idea. '.repeat(500);
    expect(stepsOf(prose) / prose.length).toBeLessThan(10);
  });

  it('is bounded: a text made to cost much is refused instead of searched', () => {
    const hostile = ' password: "k7#mQ2x9"'.repeat(50_000);
    const scan = detector.scan(hostile, ScanBudget.forCharacters(hostile.length));
    expect(() => {
      while (!scan.next().done);
    }).toThrow(ScanBudgetExceededError);
  });

  it.each([
    ['prose', 'lorem ipsum dolor sit amet, '],
    ['base64', 'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo'],
    ['repeated beginnings', 'sk-a gl-b key- '],
    ['escapes', '\\u0041%41é'],
    ['escapes alone', '%41'],
    ['base64 of text', 'bG9yZW0gaXBzdW0g'],
    ['base64 of UTF-16', 'bABvAHIAZQBtAC4A'],
  ])('of %s pauses often: no step between two pauses is long', (_, seed) => {
    const text = seed.repeat(Math.ceil(1_000_000 / seed.length));
    const budget = new ScanBudget(Number.MAX_SAFE_INTEGER);
    const scan = detector.scan(text, budget);
    let longest = 0;
    for (let before = 0; !scan.next().done; before = budget.spent) longest = Math.max(longest, budget.spent - before);
    expect(longest).toBeLessThan(MOST_BETWEEN_PAUSES);
  });
});
