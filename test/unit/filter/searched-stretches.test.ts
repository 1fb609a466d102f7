import fc from 'fast-check';
import { RulesDetector } from '../../../src/filter/detectors/rules.detector.js';
import { detectAll } from '../../../src/filter/detectors/text-detector.js';
import type { TextMatches } from '../../../src/filter/engine/rule-match.js';
import { RuleScanner } from '../../../src/filter/engine/rule-scanner.js';
import type { ScanBudget } from '../../../src/filter/engine/scan-budget.js';
import type { ScanText } from '../../../src/filter/engine/scan-text.js';
import { detector, RULE_EXAMPLES, SHIPPED_RULES } from './support.js';

/** Searches all of every text again, however little of it was decoded. */
class ThoroughScanner extends RuleScanner {
  override scanText(text: ScanText, budget: ScanBudget): Generator<void, TextMatches> {
    return super.scanText(text, budget);
  }
}

const thorough = new RulesDetector(new ThoroughScanner(SHIPPED_RULES));
const EXAMPLES = RULE_EXAMPLES.flatMap(({ positive }) => positive);
const FILLER = 'The build of the service went well and nobody has to look at the log any more. ';
const escapeAll = (text: string): string =>
  [...text].map((each) => `\\u${(each.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`).join('');
const inFullWidth = (text: string): string =>
  text.replace(/[!-~]/g, (each) => String.fromCharCode(each.charCodeAt(0) + 0xfee0));

/** Ways to write a text, or its beginning or end alone. */
const writings: ((text: string) => string)[] = [
  (text) => text,
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(text).toString('hex'),
  encodeURIComponent,
  (text) => JSON.stringify(JSON.stringify(text)),
  escapeAll,
  inFullWidth,
  (text) => `${text.slice(0, 3)}\u200b${text.slice(3)}`,
  (text) => text.slice(0, -4) + escapeAll(text.slice(-4)),
  (text) => escapeAll(text.slice(0, 2)) + text.slice(2),
];

const pieces = fc.oneof(
  fc.nat(2_500).map((length) => FILLER.repeat(40).slice(0, length)),
  fc.tuple(fc.constantFrom(...EXAMPLES), fc.constantFrom(...writings)).map(([example, write]) => write(example)),
  fc.constantFrom(' ', '\n', '"', ': ', ' -----BEGIN ', ' eyJ', 'authorization: bearer ', '\\n', '%20'),
);

describe('a decoded text', () => {
  it('is searched where it was decoded, and nothing is missed by that', () => {
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 8 }), (parts) => {
        const text = parts.join('');
        const tell = (each: RulesDetector): string[] =>
          detectAll(each, text).map(({ rule, start, end }) => `${rule} ${start}-${end}`);
        expect(new Set(tell(detector))).toEqual(new Set(tell(thorough)));
      }),
      { numRuns: 1_500 },
    );
  });
});
