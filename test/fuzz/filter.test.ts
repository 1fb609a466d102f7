import fc from 'fast-check';
import { TOKENS } from '../unit/filter/stream/examples.js';
import { run } from '../unit/filter/stream/support.js';
import { detect } from '../unit/filter/support.js';
import { CAMPAIGN_TIMEOUT_MS, campaign, mutationsOf } from './support/campaign.js';

const ODDITIES = [
  ...[
    'AKIA',
    'ghp_',
    '-----BEGIN',
    'eyJ',
    '%41',
    '%2',
    '\\u0041',
    '\\x4',
    '&#65;',
    '&#x41',
    '&amp;',
    '=',
    '==',
    '\u200d',
    '\u200b',
  ],
  ...[
    '\ud800',
    '\udfff',
    '\0',
    '\u00ad',
    '\u202e',
    'Ａ',
    'ﬀ',
    'İ',
    '\u0301',
    '\ufeff',
    '🐦',
    '\r\n',
    '"',
    "'",
    '`',
    '{',
    '}',
  ],
];
/** Some are credentials by what stands near them; these are by themselves. */
const ALONE = TOKENS.filter((token) => detect(token).length > 0);
/** What may stand beside a credential without being taken for a part of it. */
const beside = fc
  .array(fc.oneof(fc.constantFrom('the key', 'is', 'here', 'für', '日本', '🐦', '.', '!'), fc.lorem({ maxCount: 3 })), {
    maxLength: 12,
  })
  .map((words) => words.join(' '));

describe('the filter', () => {
  it(
    'searches any text without failing, and what it finds lies in the text',
    () =>
      campaign(mutationsOf(TOKENS, ODDITIES), (text) => {
        for (const { start, end } of detect(text)) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(text.length);
        }
      }),
    CAMPAIGN_TIMEOUT_MS,
  );

  it(
    'finds a credential in whatever words stand around it',
    () =>
      campaign(
        fc.record({ before: beside, token: fc.constantFrom(...ALONE), after: beside }),
        ({ before, token, after }) => {
          const text = `${before}\n${token}\n${after}`;
          const from = before.length + 1;
          const covered = detect(text).some(({ start, end }) => start < from + token.length && end > from);
          expect({ text, covered }).toEqual({ text, covered: true });
        },
      ),
    CAMPAIGN_TIMEOUT_MS,
  );

  it(
    'says the same of a stream however it is cut',
    () =>
      campaign(
        fc.record({
          text: mutationsOf(TOKENS, ODDITIES),
          sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
        }),
        ({ text, sizes }) => {
          const pieces: string[] = [];
          for (let from = 0, turn = 0; from < text.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1;
            pieces.push(text.slice(from, from + size));
            from += size;
          }
          expect(run(pieces).out).toBe(run([text]).out);
        },
      ),
    CAMPAIGN_TIMEOUT_MS,
  );
});
