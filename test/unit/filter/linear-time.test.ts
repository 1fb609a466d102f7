import { RulesDetector } from '../../../src/filter/detectors/rules.detector.js';
import { RuleScanner } from '../../../src/filter/engine/rule-scanner.js';
import { ScanBudget, ScanBudgetExceededError } from '../../../src/filter/engine/scan-budget.js';
import { detector, RULE_EXAMPLES, SHIPPED_RULES } from './support.js';

/** Both within one window, and long beside the longest pattern: twice the text may take twice the steps. */
const SMALL = 16_384;
const LARGE = 2 * SMALL;
const MOST = 2 * 1.2;
/** A step is about a nanosecond. */
const MOST_BETWEEN_PAUSES = 3_000_000;

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
