import { RuleScanner } from '../engine/rule-scanner.js';
import { type RuleProblem, readRuleDocument } from './rule-document.js';
import { RuleReader } from './rule-reader.js';
import type { ScanRule } from './scan-rule.js';

/** `rules` is empty wherever there is a problem: half a rule set is worse than a refused start. */
export interface LoadedRules {
  readonly rules: readonly ScanRule[];
  readonly problems: readonly RuleProblem[];
}

/** Text of a file of rules → the rules of a filter, or every problem in it at once. Pure. */
export function loadRules(text: string, filter: string): LoadedRules {
  const { entries, problems: faults } = readRuleDocument(text, 'rules');
  if (faults.length > 0) return { rules: [], problems: faults };
  if (!entries || entries.length === 0) {
    return { rules: [], problems: [{ line: 0, message: `expected 'rules:' with a list of rules` }] };
  }
  const read = entries.map(({ value, lineOf }) => {
    const reader = new RuleReader(value, filter);
    return { reader, rule: reader.read(), lineOf };
  });
  const rules = read.flatMap(({ rule }) => rule ?? []);
  // One engine for all: to make one a rule would take longer than everything else.
  const scanner = new RuleScanner(rules);
  const problems: RuleProblem[] = [];
  const ids = new Set<string>();
  for (const { reader, rule, lineOf } of read) {
    if (rule) reader.tryExamples(rule, scanner);
    for (const { key, message } of reader.problems) {
      problems.push({ line: lineOf(key), message: `${reader.name}: ${message}` });
    }
    if (ids.has(reader.name)) problems.push({ line: lineOf('id'), message: `${reader.name}: this id is used twice` });
    ids.add(reader.name);
  }
  return problems.length > 0 ? { rules: [], problems } : { rules, problems };
}

/** The problems as lines for people: `file:line: message`. */
export function formatRuleProblems(file: string, problems: readonly RuleProblem[]): string {
  return problems.map(({ line, message }) => `${file}${line > 0 ? `:${line}` : ''}: ${message}`).join('\n');
}
