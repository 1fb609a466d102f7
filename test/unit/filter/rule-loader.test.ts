import { readFileSync } from 'node:fs';
import { formatRuleProblems, loadSecretRules } from '../../../src/filter/rules/rule-loader.js';

describe('the shipped rules', () => {
  it('load without a problem', () => {
    const { rules, problems } = loadSecretRules(readFileSync('config/secret-rules.yaml', 'utf8'));
    expect(formatRuleProblems('secret-rules.yaml', problems)).toBe('');
    expect(rules.length).toBeGreaterThanOrEqual(100);
  });
});
