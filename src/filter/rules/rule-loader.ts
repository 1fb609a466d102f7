import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { RuleReader } from './rule-reader.js';
import type { ScanRule } from './scan-rule.js';

/** Something wrong in the rules file. */
export interface RuleProblem {
  /** 1-based; 0 = the file as a whole. */
  readonly line: number;
  readonly message: string;
}

/** `rules` is empty wherever there is a problem: half a rule set is worse than a refused start. */
export interface LoadedRules {
  readonly rules: readonly ScanRule[];
  readonly problems: readonly RuleProblem[];
}

const MAX_ALIASES = 0;

/** Text of a file of rules → the rules of a filter, or every problem in it at once. Pure. */
export function loadRules(text: string, filter: string): LoadedRules {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const problems: RuleProblem[] = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    message: error.message.split('\n')[0] ?? 'not YAML',
  }));
  if (problems.length > 0) return { rules: [], problems };

  const list = isMap(document.contents) ? document.get('rules') : undefined;
  if (!isSeq(list) || list.items.length === 0) {
    return { rules: [], problems: [{ line: 0, message: `expected 'rules:' with a list of rules` }] };
  }
  const rules: ScanRule[] = [];
  const ids = new Set<string>();
  for (const item of list.items) {
    const lineOf = (key: string | null): number => {
      const pair = isMap(item) ? item.items.find((each) => isScalar(each.key) && each.key.value === key) : undefined;
      const node = pair && isScalar(pair.key) ? pair.key : item;
      const range = isMap(node) || isScalar(node) || isSeq(node) ? node.range : undefined;
      return range ? lines.linePos(range[0]).line : 0;
    };
    const reader = new RuleReader(isMap(item) ? item.toJS(document, { maxAliasCount: MAX_ALIASES }) : null, filter);
    const rule = reader.read();
    for (const { key, message } of reader.problems) {
      problems.push({ line: lineOf(key), message: `${reader.name}: ${message}` });
    }
    if (ids.has(reader.name)) problems.push({ line: lineOf('id'), message: `${reader.name}: this id is used twice` });
    ids.add(reader.name);
    if (rule) rules.push(rule);
  }
  return problems.length > 0 ? { rules: [], problems } : { rules, problems };
}

/** The problems as lines for people: `file:line: message`. */
export function formatRuleProblems(file: string, problems: readonly RuleProblem[]): string {
  return problems.map(({ line, message }) => `${file}${line > 0 ? `:${line}` : ''}: ${message}`).join('\n');
}
