import fc from 'fast-check';
import { runAtOnce } from '../../../../src/filter/slices.js';
import type { StreamRules } from '../../../../src/filter/stream/stream-rules.js';
import { RULE_EXAMPLES } from '../support.js';
import { foldableExamples, readExamples, TOKENS } from './examples.js';
import { REDACTING, run, screenOf } from './support.js';

const LONG = 'Das Maß – “quoted” – of C:\\new is 20 % more & counting. '.repeat(8);
const PERSONAL = readExamples('config/personal-data-rules.yaml', 'personal_data');
const SHIPPED = RULE_EXAMPLES.flatMap(({ positive }) => positive);
const WAYS: readonly ((text: string) => string)[] = [
  (text) => `${text} ${LONG}`,
  (text) => `${LONG}${text}`,
  (text) => `${LONG}Sure: ${text} as you asked.`,
  (text) => JSON.stringify({ note: JSON.stringify({ text, LONG }) }),
  (text) => LONG + text.split('').join('\u200b'),
  (text) => LONG + text.replace(/[A-Za-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
  (text) => LONG + encodeURIComponent(text),
];

const isClean = (text: string, rules: StreamRules): boolean => runAtOnce(screenOf(rules).isClean(text));

function isActedUpon(text: string, rules: StreamRules, isJson: boolean): boolean {
  const { out, findings } = run([text], { rules, isJson });
  return out !== text || findings.length > 0;
}

describe('a whole text that is looked at first', () => {
  it.each([
    ['credential', REDACTING, [...SHIPPED, ...foldableExamples()]],
    ['personal data', PERSONAL.rules, PERSONAL.examples.map(({ text }) => text)],
  ])('is never taken for clean where reading it as it comes finds a %s', (_name, rules, examples) => {
    let acted = 0;
    for (const example of examples) {
      for (const way of WAYS) {
        const text = way(example);
        if (!isActedUpon(text, rules, false)) continue;
        acted += 1;
        if (isClean(text, rules)) throw new Error(`taken for clean: ${JSON.stringify(text)}`);
      }
    }
    expect(acted).toBeGreaterThan(3 * examples.length);
  });

  const escaped = SHIPPED.map((text) =>
    text.replace(/[A-Za-z0-9]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
  );
  const percent = SHIPPED.map((text) => text.replace(/[A-Za-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`));
  const pieces = [...SHIPPED, ...SHIPPED.map((text) => text.slice(0, 12)), ...foldableExamples(), ...TOKENS];
  const text = fc
    .array(
      fc.oneof(
        fc.constantFrom(...pieces),
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.constantFrom(...escaped, ...percent),
        // What counts as a letter of ASCII, as several, or as none.
        fc.constantFrom('\u{1d400}', '\uff21', '\u0410', '\ufb01', 'x\u200b', 'e\u0301', '\u200bx'),
        fc.constantFrom('\\', '\\n', '%20', '&amp;', '\u200b', '\n', ' key = ', '"', '-----', '.', '[[', 'é', LONG),
      ),
      { minLength: 1, maxLength: 8 },
    )
    .map((parts) => parts.join(''));

  it('nor whatever stands beside what, in text and in JSON', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (parts, isJson) => {
        const whole = isJson ? JSON.stringify({ parts, LONG }) : parts + LONG;
        return !isActedUpon(whole, REDACTING, isJson) || !isClean(whole, REDACTING);
      }),
      { numRuns: 800 },
    );
  });

  it('is known to be clean where it is', () => {
    expect(isClean(LONG, REDACTING)).toBe(true);
    expect(isClean(LONG, PERSONAL.rules)).toBe(true);
  });

  it('is left to be read as it comes where it is short, holds an armoured block, or takes too much work', () => {
    expect(isClean('Hello!', REDACTING)).toBe(false);
    expect(isClean(`${LONG}-----BEGIN`, REDACTING)).toBe(false);
    expect(isClean('AKIA'.repeat(20_000), REDACTING)).toBe(false);
  });
});
