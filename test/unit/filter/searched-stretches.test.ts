import fc from 'fast-check';
import type { Detection } from '../../../src/domain/detector.js';
import { RulesDetector } from '../../../src/filter/detectors/rules.detector.js';
import type { TextMatches } from '../../../src/filter/engine/rule-match.js';
import { RuleScanner } from '../../../src/filter/engine/rule-scanner.js';
import { ScanBudget } from '../../../src/filter/engine/scan-budget.js';
import type { ScanText } from '../../../src/filter/engine/scan-text.js';
import { runAtOnce } from '../../../src/filter/slices.js';
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
/** What counts as a letter of ASCII, as several, or as none. */
const others = fc.constantFrom('\u{1d400}', '\uff21', '\ufb01', '\u200b', 'e\u0301', 'Привет: ', '密钥，');

/** However much work it takes. */
const searchAll = (each: RulesDetector, text: string): readonly Detection[] =>
  runAtOnce(each.scan(text, new ScanBudget(Number.POSITIVE_INFINITY)));

/** Of the same rule, in all of it. */
const isWithin = (one: Detection, other: Detection): boolean =>
  one.rule === other.rule && other.start <= one.start && one.end <= other.end;

describe('a decoded text', () => {
  // A value may be found in all its length in one reading, and from a later name on in another.
  it('is searched where it was decoded, and nothing is missed by that', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, others), { minLength: 1, maxLength: 8 }), (parts) => {
        const text = parts.join('');
        const [found, all] = [searchAll(detector, text), searchAll(thorough, text)];
        expect(found.filter((one) => !all.some((other) => isWithin(one, other)))).toEqual([]);
        expect(all.filter((one) => !found.some((other) => isWithin(one, other)))).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });
});
