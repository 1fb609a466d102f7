import { PartialPattern } from '../../../../src/filter/rules/partial-pattern.js';
import { RULE_EXAMPLES, SHIPPED_RULES } from '../support.js';

/** For every rule what its pattern matches in its own examples. */
const MATCHES = SHIPPED_RULES.flatMap((rule) => {
  const partial = PartialPattern.of(rule.pattern, rule.ignoreCase);
  const examples = RULE_EXAMPLES.find(({ id }) => id === rule.id)?.positive ?? [];
  return examples.flatMap((example) => {
    for (let at = 0; at < example.length; at++) {
      rule.matcher.lastIndex = at;
      const match = rule.matcher.exec(example);
      if (match) return [{ rule, partial, text: match[0], secret: match.indices?.groups?.secret?.[0] ?? at, at }];
    }
    return [];
  });
});

describe('the beginning of a pattern', () => {
  it('is every prefix of what the pattern matches, for every shipped rule', () => {
    expect(MATCHES.length).toBeGreaterThanOrEqual(SHIPPED_RULES.length);
    for (const { rule, partial, text } of MATCHES) {
      for (let length = 0; length <= text.length; length++) {
        const prefix = text.slice(0, length);
        if (!partial.isViable(prefix, 0)) throw new Error(`${rule.id}: ${length} of ${text.length} characters`);
      }
    }
  });

  it('is no prefix with a character behind it that no match can hold', () => {
    for (const { rule, partial, text } of MATCHES) {
      if (!rule.run || rule.run.has(0x7f)) continue;
      for (let length = 0; length < text.length; length++) {
        const wrong = `${text.slice(0, length)}\u007f`;
        if (partial.isViable(wrong, 0)) throw new Error(`${rule.id}: ${length} of ${text.length} characters`);
      }
    }
  });

  it('tells where the part to redact begins, and nothing before it has', () => {
    for (const { rule, partial, text, secret, at } of MATCHES) {
      if (!rule.hasSecretGroup) continue;
      for (let length = 0; length <= text.length; length++) {
        const found = partial.findSecret(text.slice(0, length), 0);
        if (found === null) throw new Error(`${rule.id}: ${length} of ${text.length} characters`);
        // It may begin sooner where the text can be read in two ways, never later.
        if (found > Math.min(length, secret - at)) throw new Error(`${rule.id}: ${found} after ${length} characters`);
      }
    }
  });

  it.each([
    ['ab?c', 'a', true],
    ['ab?c', 'ab', true],
    ['ab?c', 'ac', true],
    ['ab?c', 'ad', false],
    ['ab?c', 'acd', false],
    ['(?:[0-9]{2}-){2}x', '12-3', true],
    ['(?:[0-9]{2}-){2}x', '12-34-', true],
    ['(?:[0-9]{2}-){2}x', '12-34-56', false],
    ['(?:ab|cd){1,3}', 'abc', true],
    ['(?:ab|cd){1,3}', 'abcdab', true],
    ['(?:ab|cd){1,3}', 'abcdabc', false],
    ['a[^"]{2,4}"', 'a12345', false],
    ['a[^"]{2,4}"', 'aé\n', true],
  ])('%s could go on behind %j: %s', (pattern, text, viable) => {
    expect(PartialPattern.of(pattern, false).isViable(text, 0)).toBe(viable);
  });
});
