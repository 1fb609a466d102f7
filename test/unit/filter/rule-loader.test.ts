import { formatRuleProblems, loadRules } from '../../../src/filter/rules/rule-loader.js';
import { RULES_TEXT, rulesIn, SHIPPED_RULES } from './support.js';

const GOOD = {
  id: 'acme-token',
  vendor: 'Acme',
  type: 'token',
  severity: 'high',
  anchors: ['acme_'],
  pattern: 'acme_[a-z0-9]{20}',
  max_length: 25,
  examples: { positive: ['ac<+>me_a1b2c3d4e5f6g7h8i9j0'], negative: ['acme_short'] },
};

/** JSON is YAML; one rule a line, after `rules:` on line 1. */
function load(...rules: object[]) {
  return loadRules(`rules:\n${rules.map((rule) => `  - ${JSON.stringify(rule)}`).join('\n')}`, 'secrets');
}

function problemsOf(change: object): string[] {
  return load({ ...GOOD, ...change }).problems.map(({ message }) => message);
}

describe('the shipped rules', () => {
  it('load without a problem', () => {
    expect(formatRuleProblems('secret-rules.yaml', loadRules(RULES_TEXT, 'secrets').problems)).toBe('');
  });

  it('are of far more than 150 types, each with a source', () => {
    expect(new Set(SHIPPED_RULES.map(({ vendor, type }) => `${vendor}: ${type}`)).size).toBeGreaterThan(300);
    expect(SHIPPED_RULES.filter(({ source }) => source === null).map(({ id }) => id)).toEqual([]);
  });

  it('flag what has nothing of its own but a name beside it, instead of blocking it', () => {
    const generic = ['password-assignment', 'password-environment', 'generic-api-key', 'bearer-header', 'basic-header'];
    const found = SHIPPED_RULES.filter(({ id }) => [...generic, 'snyk-token', 'url-with-password'].includes(id));
    expect(found.map(({ actions }) => actions.request)).toEqual(Array(7).fill('flag'));
  });

  it('hold no whole credential in their file, so that no scanner of this repository trips on it', () => {
    expect(rulesIn(RULES_TEXT)).toEqual([]);
  });
});

describe('the rule loader', () => {
  it('makes rules of a good file', () => {
    const { rules, problems } = load(GOOD);
    expect(problems).toEqual([]);
    expect(rules.map(({ id }) => id)).toEqual(['acme-token']);
  });

  it.each<[string, object, RegExp]>([
    ['no anchor', { anchors: [] }, /'anchors' is no list of texts/],
    ['no anchors at all', { anchors: undefined }, /has no 'anchors'/],
    ['no max_length', { max_length: undefined }, /has no 'max_length'/],
    ['a max_length the pattern exceeds', { max_length: 24 }, /can match 25 characters, more than max_length/],
    ['an unknown validator', { validators: ['luck'] }, /unknown validator 'luck'; known are github-checksum/],
    ['an unknown key', { patern: 'x' }, /unknown key 'patern'/],
    ['an unknown severity', { severity: 'dire' }, /'dire' is none of low, medium, high, critical/],
    ['an unknown action', { action: 'ignore' }, /expected block, redact, pseudonymize, flag, off or \{raise_to/],
    ['an unknown action for answers', { actions: { response: 'ignore' } }, /an answer has no level to raise/],
    ['a raised level for answers', { actions: { response: { raise_to: 'RESTRICTED' } } }, /an answer has no level/],
    ['actions for anything else', { actions: { upload: 'block' } }, /expected actions: \{request/],
    ['an action and actions', { action: 'flag', actions: { response: 'flag' } }, /or 'action' alone/],
    ['actions that are one word', { actions: 'flag' }, /expected actions: \{request/],
    ['a source that is no address', { source: 'the handbook' }, /'source' is no https address/],
    ['a source in plain text', { source: 'http://docs.acme.test' }, /'source' is no https address/],
    ['a positive example that is not found', { examples: { positive: ['acme'] } }, /positive example 1 is not found/],
    [
      'a negative example that is found',
      { examples: { positive: GOOD.examples.positive, negative: ['acme', 'acme_a1b2c3d4e5f6g7h8i9j0'] } },
      /negative example 2 is found/,
    ],
    ['no positive example', { examples: { positive: [] } }, /at least one positive/],
    ['an unbounded repetition', { pattern: 'acme_[a-z0-9]+' }, /'\+' has no upper bound/],
    ['an open repetition', { pattern: 'acme_[a-z0-9]{20,}' }, /'\{20,\}' has no upper bound/],
    ['nested repetitions', { pattern: '(?:acme_[a-z]{1,9}){1,2}' }, /would not take linear time|positive/],
    ['a repetition of a repetition', { pattern: 'acme_(?:[a-z0-9]{1,5}){4}' }, /would not take linear time/],
    ['neighbours that share characters', { pattern: 'acme_[a-z0-9]{1,10}[a-z]{1,10}' }, /would not take linear time/],
    ['neighbours with a shared one between', { pattern: 'acme_[\\w-]{1,9}-[\\w-]{1,9}' }, /would not take linear time/],
    ['a repeated choice that begins alike', { pattern: 'acme_(?:a|ab){1,10}' }, /would not take linear time/],
    ['optional parts in a row', { pattern: 'acme_a?a?a?' }, /would not take linear time/],
    ['look-around', { pattern: '(?<=x)acme_[a-z0-9]{20}' }, /look-around and flags are not supported/],
    ['an edge', { pattern: '^acme_[a-z0-9]{20}' }, /'\^' is not needed/],
    ['a back-reference', { pattern: '(a)cme_\\1' }, /unsupported escape '\\1'/],
    ['an open bracket', { pattern: 'acme_[a-z' }, /'\[' without '\]'/],
    ['an open group', { pattern: 'acme_(a' }, /'\(' without '\)'/],
    ['quotes in what is redacted', { pattern: 'acme_[^x]{20}' }, /may not hold '"'/],
    ['a number that is none', { min_entropy: 'high' }, /'min_entropy' must be a number/],
  ])('refuses %s', (_, change, expected) => {
    expect(problemsOf(change).join('\n')).toMatch(expected);
    expect(load({ ...GOOD, ...change }).rules).toEqual([]);
  });

  it('reports all problems of all rules together, each with its line', () => {
    const { problems } = load(
      GOOD,
      { ...GOOD, id: 'b', validators: ['luck'], severity: 'dire', max_length: 3 },
      { ...GOOD, id: 'c', x: 1 },
    );
    expect(problems.map(({ line, message }) => `${line} ${message.slice(0, 25)}`)).toEqual([
      '3 b: the pattern can match ',
      `3 b: 'dire' is none of low,`,
      `3 b: unknown validator 'luc`,
      `4 c: unknown key 'x'; known`,
    ]);
  });

  it('refuses an id used twice, a file without rules, and one that is not YAML', () => {
    expect(load(GOOD, GOOD).problems.map(({ message }) => message)).toEqual(['acme-token: this id is used twice']);
    expect(loadRules('', 'secrets').problems).toHaveLength(1);
    expect(loadRules('rules: []', 'secrets').problems).toHaveLength(1);
    expect(loadRules('rules:\n  - {id: [', 'secrets').problems[0]?.line).toBe(2);
  });

  it('refuses an alias, with its line', () => {
    expect(loadRules('rules:\n  - &a {id: a}\n  - *a', 'secrets').problems).toEqual([
      { line: 3, message: 'aliases are not supported' },
    ]);
  });

  it('takes an action of the rule, short for the request, or one for each direction', () => {
    const actionsOf = (change: object) => load({ ...GOOD, ...change }).rules[0]?.actions;
    expect(actionsOf({})).toEqual({ request: null, response: null });
    expect(actionsOf({ action: { raise_to: 'RESTRICTED' } })).toEqual({
      request: { raiseTo: 'RESTRICTED' },
      response: null,
    });
    expect(actionsOf({ actions: { request: 'pseudonymize', response: 'off' } })).toEqual({
      request: 'pseudonymize',
      response: 'off',
    });
    expect(actionsOf({ actions: { response: 'block' } })).toEqual({ request: null, response: 'block' });
  });

  it('keeps where the format is documented, and needs it of nobody', () => {
    expect(load({ ...GOOD, source: 'https://docs.acme.test/keys' }).rules[0]?.source).toBe(
      'https://docs.acme.test/keys',
    );
    expect(load(GOOD).rules[0]?.source).toBeNull();
  });
});
