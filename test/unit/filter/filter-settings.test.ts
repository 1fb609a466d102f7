import { readFileSync } from 'node:fs';
import type { DocumentFiles } from '../../../src/config/extension.js';
import { CONFIG_FILE_NAMES, type ConfigFiles } from '../../../src/config/files.js';
import { type LoadedConfig, loadConfig, type RefusedConfig } from '../../../src/config/loader.js';
import { formatProblem } from '../../../src/config/problem.js';
import { FILTER_SETTINGS } from '../../../src/filter/filter-settings.js';
import { rulesIn } from '../../../src/filter/rule-files.js';
import { VALID } from '../config/support.js';

function rules(...ids: string[]): string {
  const items = ids.map(
    (id) =>
      `  - {id: ${id}, vendor: Acme, type: badge, severity: high, source: "https://acme.test/", anchors: [BADGE-],
     pattern: 'BADGE-[0-9]{6}', max_length: 12, examples: {positive: [BADGE-482913]}}\n`,
  );
  return `rules:\n${items.join('')}`;
}

interface Given {
  readonly filters?: string;
  readonly secrets?: string | null;
  readonly personal?: string;
}

function load({
  filters = '{}',
  secrets = rules('acme-badge', 'acme-card'),
  personal = rules('visa', 'email'),
}: Given = {}): LoadedConfig | RefusedConfig {
  const texts: Record<string, string> = { ...VALID, 'gateway.yaml': `filters: ${filters}\n` };
  const files = Object.fromEntries(CONFIG_FILE_NAMES.map((name) => [name, { text: texts[name] }])) as ConfigFiles;
  const documents: DocumentFiles = {
    'secret-rules.yaml': secrets === null ? { text: null, fault: 'missing' } : { text: secrets },
    'personal-data-rules.yaml': { text: personal },
    'terms.yaml': { text: null, fault: 'missing' },
  };
  const readSecretFile = (): string => '';
  return loadConfig({ files, documents, extension: FILTER_SETTINGS, environment: {}, readSecretFile, nowMs: 0 });
}

function problemsOf(given: Given): string[] {
  const result = load(given);
  return result.ok ? [] : result.problems.map(formatProblem);
}

function warningsOf(given: Given): string[] {
  const result = load(given);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.warnings.map(formatProblem);
}

const withOverride = (override: string): Given => ({
  filters: `{overrides: [${override}], personal_data: {enabled: true}}`,
});

describe('rules in the configuration', () => {
  it('come with the snapshot, and are the same ones for the same text', () => {
    const [first, second] = [load(), load()];
    if (!first.ok || !second.ok) throw new Error('refused');
    expect(rulesIn(first.snapshot.documents, 'secrets').map(({ id }) => id)).toEqual(['acme-badge', 'acme-card']);
    expect(rulesIn(second.snapshot.documents, 'secrets')).toBe(rulesIn(first.snapshot.documents, 'secrets'));
    expect(rulesIn(first.snapshot.documents, 'terms')).toEqual([]);
    expect(first.snapshot.version).toBe(second.snapshot.version);
  });

  it('change its version', () => {
    const [first, second] = [load(), load({ secrets: rules('acme-badge') })];
    if (!first.ok || !second.ok) throw new Error('refused');
    expect(second.snapshot.version).not.toBe(first.snapshot.version);
  });

  it('are told about with file and line where they are wrong, together with all else', () => {
    const secrets = rules('acme-badge', 'acme-card').replace('severity: high', 'severity: dreadful');
    const problems = problemsOf({ secrets, filters: '{secrets: {action: explode}}', personal: 'rules: [' });
    expect(problems).toHaveLength(3);
    expect(problems[0]).toMatch(/^gateway\.yaml:1:\d+ filters\.secrets\.action: must be one of/);
    expect(problems[1]).toMatch(/^secret-rules\.yaml:2: acme-badge: /);
    expect(problems[2]).toMatch(/^personal-data-rules\.yaml(:\d+)?: /);
  });

  it('are never none', () => {
    expect(problemsOf({ secrets: null })).toEqual(['secret-rules.yaml: the file is missing']);
    expect(problemsOf({ secrets: '' })).toHaveLength(1);
  });

  it('have one id each, over all files', () => {
    expect(problemsOf({ personal: rules('email', 'acme-badge') })).toEqual([
      'personal-data-rules.yaml: acme-badge: secret-rules.yaml has a rule of this id',
    ]);
  });
});

describe('overrides', () => {
  it.each([
    ['{rules: ["acme-*", "filter:personal_data", visa], levels: [PUBLIC, RESTRICTED], action: flag}'],
    ['{rules: [instruction-override], action: block}'],
    ['{rules: ["*"], direction: response, action: redact}'],
  ])('that mean something are taken: %s', (override) => {
    expect(problemsOf(withOverride(override))).toEqual([]);
    expect(warningsOf(withOverride(override))).toEqual([]);
  });

  it.each([
    ['{rules: [acme-bagde], action: flag}', 'rules[0]: no such rule (did you mean "acme-badge"?)'],
    ['{rules: [visa, "acm-*"], action: flag}', 'rules[1]: fits no rule'],
    [
      '{rules: ["filter:secret"], action: flag}',
      'rules[0]: must name one of secrets, personal_data, terms, prompt_injection (did you mean "secrets"?)',
    ],
    [
      '{rules: [visa], levels: [PUBLIC, SECRET], action: flag}',
      'levels[1]: must be one of PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED',
    ],
    [
      '{rules: [visa], direction: response, action: raise}',
      'action: cannot be done to an answer; must be one of block, redact, flag, off',
    ],
    ['{rules: [], action: flag}', 'rules: must name at least one rule'],
  ])('that mean nothing are refused, naming the place: %s', (override, problem) => {
    const problems = problemsOf(withOverride(override));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^gateway\.yaml:1:\d+ filters\.overrides\[0\]\./);
    expect(problems[0]).toContain(problem);
  });

  it('of a filter that is off are warned of', () => {
    const filters = '{overrides: [{rules: [visa, "filter:personal_data"], action: flag}]}';
    expect(warningsOf({ filters })).toEqual([
      expect.stringMatching(/overrides\[0\]\.rules\[0\]: has no effect: the filter personal_data is off/),
      expect.stringMatching(/overrides\[0\]\.rules\[1\]: has no effect: the filter personal_data is off/),
    ]);
  });
});

describe('settings of single filters', () => {
  it('name rules that exist', () => {
    const problems = problemsOf({ filters: '{personal_data: {enabled: true, rules: [visa, mail]}}' });
    expect(problems).toEqual([
      expect.stringMatching(
        /filters\.personal_data\.rules\[1\]: no rule of personal-data-rules\.yaml \(did you mean "email"\?\)/,
      ),
    ]);
    expect(warningsOf({ filters: '{personal_data: {rules: [visa]}}' })).toHaveLength(1);
  });

  it('never block what they would not flag', () => {
    expect(problemsOf({ filters: '{prompt_injection: {flag_at: 60, block_at: 50}}' })).toEqual([
      expect.stringMatching(/filters\.prompt_injection\.block_at: must be 0 or at least flag_at \(60\)/),
    ]);
    expect(problemsOf({ filters: '{prompt_injection: {flag_at: 60, block_at: 60}}' })).toEqual([]);
  });
});

describe('the shipped rules', () => {
  it('are right', () => {
    const secrets = readFileSync('config/secret-rules.yaml', 'utf8');
    const personal = readFileSync('config/personal-data-rules.yaml', 'utf8');
    expect(problemsOf({ secrets, personal })).toEqual([]);
  });
});
