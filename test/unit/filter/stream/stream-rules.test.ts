import { FilterOverrideConfig, FiltersConfig } from '../../../../src/config/schema/filters.config.js';
import { ActionPolicy } from '../../../../src/filter/action-policy.js';
import { StreamRules } from '../../../../src/filter/stream/stream-rules.js';
import { SHIPPED_RULES } from '../support.js';

const rules = SHIPPED_RULES.filter(({ id }) => id === 'github-token' || id === 'npm-access-token');

describe('the rules for answers', () => {
  it('are made once for all levels and configurations that do the same', () => {
    const first = StreamRules.of(rules, new ActionPolicy(new FiltersConfig()), 'INTERNAL');
    if (!first) throw new Error('no rule acts upon answers');
    expect(StreamRules.of(rules, new ActionPolicy(new FiltersConfig()), 'RESTRICTED', [first])).toBe(first);
  });

  it.each([
    ['blocks', 'block'],
    ['leaves alone', 'off'],
  ] as const)('are others where one rule %s', (_what, action) => {
    const first = StreamRules.of(rules, new ActionPolicy(new FiltersConfig()), 'INTERNAL');
    if (!first) throw new Error('no rule acts upon answers');
    const filters = new FiltersConfig();
    filters.overrides = [Object.assign(new FilterOverrideConfig(), { rules: ['github-token'], action })];
    const other = StreamRules.of(rules, new ActionPolicy(filters), 'INTERNAL', [first]);
    expect(other).not.toBe(first);
    expect(other?.rules.find(({ rule }) => rule.id === 'github-token')?.action).toBe(
      action === 'off' ? undefined : action,
    );
  });
});
