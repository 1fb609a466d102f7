import type { ConfigExtension, Documents, SettingsReport } from '../config/extension.js';
import type { FilterOverrideConfig, FiltersConfig } from '../config/schema/filters.config.js';
import { suggest } from '../config/suggestion.js';
import { CLASSIFICATIONS } from '../domain/classification.js';
import { type DetectedRule, ruleMatcher } from './action-policy.js';
import { INJECTION_FAMILIES } from './detectors/prompt-injection-families.js';
import { FILTER_NAMES, FILTER_PREFIX, type FilterName, isFilterName } from './filter-names.js';
import { RULE_DOCUMENTS, RULE_FILE_NAMES, RULE_FILTERS, rulesIn } from './rule-files.js';

type KnownRule = Pick<DetectedRule, 'filter' | 'rule'>;

/** What the filters add to the configuration: the files of their rules, and what these mean for `filters` of gateway.yaml. */
export const FILTER_SETTINGS: ConfigExtension = {
  documents: RULE_DOCUMENTS,
  check: ({ filters }, documents, report) => {
    const rules = findRules(documents);
    checkIds(documents, report);
    checkPersonalData(filters, documents, report);
    checkPromptInjection(filters, report);
    for (const override of filters.overrides) checkOverride(override, filters, rules, report);
  },
};

function findRules(documents: Documents): readonly KnownRule[] {
  return [
    ...RULE_FILTERS.flatMap((filter) => rulesIn(documents, filter).map(({ id }) => ({ filter, rule: id }))),
    ...INJECTION_FAMILIES.map((rule) => ({ filter: 'prompt_injection', rule })),
  ];
}

/** Findings and overrides name a rule by its id alone. What is wrong within a file, its own reader says. */
function checkIds(documents: Documents, report: SettingsReport): void {
  const owners = new Map<string, string>();
  for (const filter of RULE_FILTERS) {
    for (const { id } of rulesIn(documents, filter)) {
      const owner = owners.get(id);
      if (owner !== undefined && owner !== RULE_FILE_NAMES[filter]) {
        report.documentProblem(RULE_FILE_NAMES[filter], { line: 0, message: `${id}: ${owner} has a rule of this id` });
      }
      owners.set(id, RULE_FILE_NAMES[filter]);
    }
  }
}

function checkPersonalData({ personalData }: FiltersConfig, documents: Documents, report: SettingsReport): void {
  const ids = rulesIn(documents, 'personal_data').map(({ id }) => id);
  personalData.rules.forEach((id, index) => {
    if (ids.includes(id)) return;
    report.problem(personalData, `rules[${index}]`, `no rule of ${RULE_FILE_NAMES.personal_data}${suggest(id, ids)}`);
  });
  if (personalData.rules.length > 0 && !personalData.enabled) {
    report.warn(personalData, 'rules', 'has no effect: personal data are not looked for');
  }
}

function checkPromptInjection({ promptInjection }: FiltersConfig, report: SettingsReport): void {
  const { flagAt, blockAt } = promptInjection;
  if (blockAt !== 0 && blockAt < flagAt) {
    report.problem(promptInjection, 'blockAt', `must be 0 or at least flag_at (${flagAt})`);
  }
}

function checkOverride(
  override: FilterOverrideConfig,
  filters: FiltersConfig,
  rules: readonly KnownRule[],
  report: SettingsReport,
): void {
  const { direction, levels, action } = override;
  if (override.rules.length === 0) report.problem(override, 'rules', 'must name at least one rule');
  for (const [index, pattern] of override.rules.entries()) {
    checkPattern(override, pattern, `rules[${index}]`, filters, rules, report);
  }
  levels.forEach((level, index) => {
    const names: readonly string[] = CLASSIFICATIONS;
    if (names.includes(level)) return;
    report.problem(override, `levels[${index}]`, `must be one of ${names.join(', ')}${suggest(level, names)}`);
  });
  if (direction === 'response' && (action === 'raise' || action === 'pseudonymize')) {
    report.problem(override, 'action', `cannot be done to an answer; must be one of block, redact, flag, off`);
  }
}

function checkPattern(
  override: FilterOverrideConfig,
  pattern: string,
  field: string,
  filters: FiltersConfig,
  rules: readonly KnownRule[],
  report: SettingsReport,
): void {
  if (pattern.startsWith(FILTER_PREFIX)) {
    const name = pattern.slice(FILTER_PREFIX.length);
    if (!isFilterName(name)) {
      report.problem(override, field, `must name one of ${FILTER_NAMES.join(', ')}${suggest(name, FILTER_NAMES)}`);
    } else if (!isEnabled(name, filters)) {
      report.warn(override, field, `has no effect: the filter ${name} is off`);
    }
    return;
  }
  const matches = ruleMatcher(pattern);
  const matched = rules.filter(matches);
  if (matched.length === 0) {
    const ids = rules.map(({ rule }) => rule);
    report.problem(override, field, pattern.includes('*') ? 'fits no rule' : `no such rule${suggest(pattern, ids)}`);
  } else if (!matched.some(({ filter }) => isFilterName(filter) && isEnabled(filter, filters))) {
    report.warn(override, field, `has no effect: the filter ${matched[0]?.filter} is off`);
  }
}

function isEnabled(name: FilterName, filters: FiltersConfig): boolean {
  const { secrets, personalData, terms, promptInjection } = filters;
  switch (name) {
    case 'secrets':
      return secrets.enabled;
    case 'personal_data':
      return personalData.enabled;
    case 'terms':
      return terms.enabled;
    case 'prompt_injection':
      return promptInjection.enabled;
    default:
      return name satisfies never;
  }
}
