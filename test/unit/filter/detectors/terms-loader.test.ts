import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { RulesDetector } from '../../../../src/filter/detectors/rules.detector.js';
import { patternOfWords } from '../../../../src/filter/detectors/term-pattern.js';
import { loadTerms } from '../../../../src/filter/detectors/terms-loader.js';
import { detectAll } from '../../../../src/filter/detectors/text-detector.js';
import { RuleScanner } from '../../../../src/filter/engine/rule-scanner.js';

/** JSON is YAML; one item a line, after `terms:` on line 1. */
function load(...items: object[]) {
  return loadTerms(`terms:\n${items.map((item) => `  - ${JSON.stringify(item)}`).join('\n')}`);
}

function found(text: string, ...items: object[]): string[] {
  const { rules, problems } = load(...items);
  expect(problems).toEqual([]);
  const detections = detectAll(new RulesDetector(new RuleScanner(rules)), text);
  return detections.map(({ start, end }) => text.slice(start, end));
}

describe("an operator's own terms", () => {
  it('are found as whole words, in any case, wherever they stand', () => {
    const names = { id: 'names', words: ['Falcon', 'Blue Heron', 'Projekt Öl', '项目鹰'] };
    expect(found('The FALCON, "blue heron"; (Projekt ÖL) und 关于项目鹰的报告.', names)).toEqual([
      'FALCON',
      'blue heron',
      'Projekt ÖL',
      '项目鹰',
    ]);
    expect(found('Falcons, falconry, xFalcon, Falcon_2, Bluest Heron', names)).toEqual([]);
  });

  it('are found inside words, and in one case only, where that is asked for', () => {
    expect(found('Falcons', { id: 'n', words: ['Falcon'], whole_words: false })).toEqual(['Falcon']);
    expect(found('Falcon falcon', { id: 'n', words: ['Falcon'], ignore_case: false })).toEqual(['Falcon']);
  });

  it('need no edge where they begin or end with a sign', () => {
    const ids = { id: 'n', words: ['.corp', 'C++', 'plain'] };
    expect(found('db.corp, C++11, aC++, explain', ids)).toEqual(['.corp', 'C++']);
  });

  it('are the longest of those that begin alike', () => {
    expect(found('new york city, new york, new yorker', { id: 'n', words: ['new york', 'new york city'] })).toEqual([
      'new york city',
      'new york',
    ]);
  });

  it('are found also where they look like a placeholder', () => {
    expect(found('Project Example and dummy', { id: 'n', words: ['Project Example', 'dummy'] })).toHaveLength(2);
  });

  it('can be a pattern, with what it begins with and how long it gets', () => {
    const tickets = { id: 't', anchors: ['ACME-'], pattern: 'ACME-\\d{4,6}', max_length: 11 };
    expect(found('see acme-1234, ACME-123456. not ACME-12 or ACME-1234567', tickets)).toEqual([
      'acme-1234',
      'ACME-123456',
    ]);
  });

  it('say for themselves what is done about them', () => {
    const { rules } = load(
      { id: 'a', words: ['aa'], action: { raise_to: 'RESTRICTED' }, response_action: 'redact' },
      { id: 'b', words: ['bb'], action: 'block' },
      { id: 'c', words: ['cc'] },
    );
    expect(rules.map(({ filter, actions }) => [filter, actions.request, actions.response])).toEqual([
      ['terms', { raiseTo: 'RESTRICTED' }, 'redact'],
      ['terms', 'block', null],
      ['terms', null, null],
    ]);
  });

  it('may be none: the shipped file, an empty one and an empty list', () => {
    for (const text of [readFileSync('config/terms.yaml', 'utf8'), '', '# nothing', 'terms:', 'terms: []']) {
      expect(loadTerms(text)).toEqual({ rules: [], problems: [] });
    }
  });

  it('of the shipped example load once the comment signs are gone', () => {
    const text = readFileSync('config/terms.yaml', 'utf8')
      .replace(/^[\s\S]*?# terms:/, 'terms:')
      .replaceAll(/^#/gm, '');
    const { rules, problems } = loadTerms(text);
    expect(problems).toEqual([]);
    expect(rules.map(({ id }) => id)).toEqual(['project-names', 'ticket-number']);
  });
});

describe('the loader of terms', () => {
  it.each<[string, object, RegExp]>([
    ['neither words nor pattern', { id: 'a' }, /either 'words' or 'pattern'/],
    ['both', { id: 'a', words: ['aa'], pattern: 'bb' }, /either 'words' or 'pattern'/],
    ['an id in another form', { id: 'A b', words: ['aa'] }, /ids in lower case/],
    ['an unknown key', { id: 'a', words: ['aa'], actoin: 'flag' }, /unknown key 'actoin'/],
    ['a word of one character', { id: 'a', words: ['x'] }, /2 to 200 characters/],
    ['a word in blanks', { id: 'a', words: [' xy'] }, /without blanks around/],
    ['words that are numbers', { id: 'a', words: [42] }, /put numbers and yes or no in quotes/],
    ['an unknown action', { id: 'a', words: ['aa'], action: 'ignore' }, /expected block, redact/],
    ['an unknown level', { id: 'a', words: ['aa'], action: { raise_to: 'SECRET' } }, /raise_to: PUBLIC/],
    ['an unknown action for answers', { id: 'a', words: ['aa'], response_action: 'raise' }, /expected block, redact/],
    ['a switch that is a text', { id: 'a', words: ['aa'], whole_words: 'yes' }, /'whole_words' is true or false/],
    ['a pattern without anchors', { id: 'a', pattern: 'ab\\d', max_length: 3 }, /'anchors' has to be a list/],
    ['a pattern without a bound', { id: 'a', pattern: 'ab\\d+', anchors: ['ab'], max_length: 9 }, /no upper bound/],
    ['a pattern without its length', { id: 'a', pattern: 'ab\\d', anchors: ['ab'] }, /needs 'max_length'/],
    ['a pattern longer than it says', { id: 'a', pattern: 'ab\\d{9}', anchors: ['ab'], max_length: 4 }, /can match 11/],
    ['a slow pattern', { id: 'a', pattern: 'ab\\d{1,9}\\d{1,9}', anchors: ['ab'], max_length: 99 }, /linear time/],
    ['a pattern with quotes', { id: 'a', pattern: 'ab[^x]', anchors: ['ab'], max_length: 3 }, /may not hold '"'/],
    ['words with a pattern’s keys', { id: 'a', words: ['aa'], max_length: 3 }, /belongs to a pattern/],
  ])('refuses %s', (_, item, expected) => {
    const { rules, problems } = load(item);
    expect(problems.map(({ message }) => message).join('\n')).toMatch(expected);
    expect(rules).toEqual([]);
  });

  it('tells every problem with its line', () => {
    const { problems } = loadTerms(
      'terms:\n  - id: a\n    words: [x]\n  - id: a\n    words: [ok]\n    action: maybe\n',
    );
    expect(problems.map(({ line }) => line)).toEqual([3, 6, 4]);
    expect(loadTerms('terms: [').problems[0]?.line).toBe(1);
    expect(loadTerms('terms:\n  - {id: a, words: &w [aa]}\n  - {id: b, words: *w}').problems).toEqual([
      { line: 3, message: 'aliases are not supported' },
    ]);
    expect(loadTerms('words: [a]').problems).toEqual([{ line: 0, message: `expected a list 'terms'` }]);
  });

  it('takes thousands of words as one pattern that is found wherever one of them stands', () => {
    const words = Array.from({ length: 5_000 }, (_, index) => `acme-${(index * 7_919).toString(36)}-${index % 97}`);
    const { rules, problems } = load({ id: 'many', words });
    expect(problems).toEqual([]);
    expect(rules).toHaveLength(1);
    const detector = new RulesDetector(new RuleScanner(rules));
    const text = `${words[4_321]} and ${words[17]}, not acme-zzzz-1`;
    expect(detectAll(detector, text).map(({ start, end }) => text.slice(start, end))).toEqual([
      words[4_321],
      words[17],
    ]);
  });
});

describe('the pattern of words', () => {
  it('matches exactly the words it was made of', () => {
    const word = fc.string({
      unit: fc.constantFrom('a', 'b', '.', '(', '\\', '鹰', '-', ']'),
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 20 }), word, (words, other) => {
        const pattern = new RegExp(`^(?:${patternOfWords(words)})$`);
        for (const each of words) expect(pattern.test(each)).toBe(true);
        expect(pattern.test(other)).toBe(words.includes(other));
      }),
    );
  });
});
