import type { FilterOverrideConfig, RequestAction } from '../../../src/config/schema/filters.config.js';
import { FiltersConfig, FilterOverrideConfig as Override } from '../../../src/config/schema/filters.config.js';
import { CLASSIFICATIONS } from '../../../src/domain/classification.js';
import { AS_CONFIGURED, type FilterAction, type RuleActions } from '../../../src/domain/finding.js';
import { ActionPolicy, type DetectedRule, ruleMatcher } from '../../../src/filter/action-policy.js';
import { FILTER_NAMES } from '../../../src/filter/filter-names.js';

function ruleOf(filter: string, rule: string, actions: RuleActions = AS_CONFIGURED): DetectedRule {
  return { filter, rule, actions };
}

function policyOf(change: (filters: FiltersConfig) => void): ActionPolicy {
  const filters = new FiltersConfig();
  change(filters);
  return new ActionPolicy(filters);
}

function override(rules: string[], action: RequestAction, more: Partial<FilterOverrideConfig> = {}): Override {
  return Object.assign(new Override(), { rules, action }, more);
}

const TOKEN = ruleOf('secrets', 'github-token');
const EMAIL = ruleOf('personal_data', 'email-address');

describe('what is done about a match', () => {
  it('is what its filter is set to', () => {
    const policy = policyOf((filters) => {
      filters.secrets.action = 'redact';
      filters.secrets.responseAction = 'block';
      filters.personalData.action = 'raise';
      filters.personalData.raiseTo = 'RESTRICTED';
      filters.terms.action = 'off';
    });
    expect(policy.resolve(TOKEN, 'request', 'PUBLIC')).toBe('redact');
    expect(policy.resolve(TOKEN, 'response', 'PUBLIC')).toBe('block');
    expect(policy.resolve(EMAIL, 'request', 'PUBLIC')).toEqual({ raiseTo: 'RESTRICTED' });
    expect(policy.resolve(EMAIL, 'response', 'PUBLIC')).toBe('off');
    expect(policy.resolve(ruleOf('terms', 'project'), 'request', 'PUBLIC')).toBe('off');
  });

  it('is what its rule says, in each direction, before that', () => {
    const policy = policyOf(() => undefined);
    const rule = ruleOf('secrets', 'generic', { request: 'redact', response: 'flag' });
    expect(policy.resolve(rule, 'request', 'PUBLIC')).toBe('redact');
    expect(policy.resolve(rule, 'response', 'PUBLIC')).toBe('flag');
    const half = ruleOf('secrets', 'generic', { request: 'pseudonymize', response: null });
    expect(policy.resolve(half, 'response', 'PUBLIC')).toBe('redact');
  });

  it('is no more in answers where its rule only flags requests', () => {
    const policy = policyOf(() => undefined);
    const unsure: RuleActions = { request: 'flag', response: null };
    expect(policy.resolve(ruleOf('secrets', 'generic', unsure), 'response', 'PUBLIC')).toBe('flag');
    expect(policy.resolve(ruleOf('terms', 'generic', unsure), 'response', 'PUBLIC')).toBe('off');
    expect(policy.resolve(ruleOf('secrets', 'a', { ...unsure, response: 'redact' }), 'response', 'PUBLIC')).toBe(
      'redact',
    );
  });

  it('is what the first override that fits says before all else', () => {
    const policy = policyOf((filters) => {
      filters.overrides = [
        override(['npm-*'], 'off'),
        override(['github-token'], 'flag', { levels: ['CONFIDENTIAL'] }),
        override(['github-*', 'gitlab-token'], 'redact', { direction: 'request' }),
        override(['filter:secrets'], 'block'),
      ];
    });
    const fixed = ruleOf('secrets', 'github-token', { request: 'off', response: 'off' });
    expect(policy.resolve(fixed, 'request', 'CONFIDENTIAL')).toBe('flag');
    expect(policy.resolve(fixed, 'request', 'INTERNAL')).toBe('redact');
    expect(policy.resolve(fixed, 'response', 'INTERNAL')).toBe('block');
    expect(policy.resolve(ruleOf('secrets', 'gitlab-token'), 'request', 'INTERNAL')).toBe('redact');
    expect(policy.resolve(ruleOf('secrets', 'npm-token'), 'request', 'INTERNAL')).toBe('off');
    expect(policy.resolve(EMAIL, 'request', 'INTERNAL')).toBe('pseudonymize');
    // Asked again, it answers the same.
    expect(policy.resolve(fixed, 'request', 'CONFIDENTIAL')).toBe('flag');
  });

  it('tells rules of the same id in two filters apart', () => {
    const policy = policyOf((filters) => {
      filters.overrides = [override(['filter:terms'], 'off')];
    });
    expect(policy.resolve(ruleOf('terms', 'same'), 'request', 'PUBLIC')).toBe('off');
    expect(policy.resolve(ruleOf('secrets', 'same'), 'request', 'PUBLIC')).toBe('block');
  });

  it('is never a name or a level in an answer', () => {
    const odd: FilterAction[] = ['pseudonymize', { raiseTo: 'RESTRICTED' }];
    const policy = policyOf(() => undefined);
    expect(
      odd.map((action) =>
        policy.resolve(ruleOf('secrets', 'a', { request: null, response: action }), 'response', 'PUBLIC'),
      ),
    ).toEqual(['redact', 'flag']);
  });

  it('is not changed in answers by an override that can only be meant for requests', () => {
    const policy = policyOf((filters) => {
      filters.overrides = [override(['filter:personal_data'], 'pseudonymize'), override(['filter:secrets'], 'raise')];
    });
    expect(policy.resolve(EMAIL, 'response', 'PUBLIC')).toBe('off');
    expect(policy.resolve(TOKEN, 'response', 'PUBLIC')).toBe('redact');
    expect(policy.resolve(TOKEN, 'request', 'PUBLIC')).toEqual({ raiseTo: 'RESTRICTED' });
  });

  it('is to block where nobody knows the filter', () => {
    expect(policyOf(() => undefined).resolve(ruleOf('unheard-of', 'a'), 'request', 'PUBLIC')).toBe('block');
  });

  it('has an answer for every filter, direction and level', () => {
    const policy = policyOf(() => undefined);
    for (const filter of FILTER_NAMES) {
      for (const level of CLASSIFICATIONS) {
        expect(policy.resolve(ruleOf(filter, 'a'), 'request', level)).toBeDefined();
        expect(policy.resolve(ruleOf(filter, 'a'), 'response', level)).toBeDefined();
      }
    }
  });
});

describe('a pattern for rules', () => {
  it.each([
    ['github-token', 'github-token', true],
    ['github-token', 'github-token-2', false],
    ['github-*', 'github-', true],
    ['*-token', 'github-token', true],
    ['*', 'anything', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'acb', false],
    ['ab*ba', 'aba', false],
    ['a*a', 'a', false],
    ['*a*', 'bab', true],
    ['a.c', 'abc', false],
    ['filter:secrets', 'anything', true],
    ['filter:terms', 'anything', false],
  ])('%s: %s is %s', (pattern, rule, expected) => {
    expect(ruleMatcher(pattern)({ filter: 'secrets', rule })).toBe(expected);
  });
});
