import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';

/** Something wrong in a file of rules. */
export interface RuleProblem {
  /** 1-based; 0 = the file as a whole. */
  readonly line: number;
  readonly message: string;
}

/** One entry of a file's list. */
export interface RuleEntry {
  /** Null where the entry is no mapping. */
  readonly value: unknown;
  /** Where the entry says `key`; where it does not, or for null, where it begins. 1-based. */
  lineOf(key: string | null): number;
}

export interface RuleDocument {
  /** Null where the file is YAML and holds no such list; empty where it holds nothing at all. */
  readonly entries: readonly RuleEntry[] | null;
  /** Why the file is none that can be read. */
  readonly problems: readonly RuleProblem[];
}

/** Text of a YAML file → the entries of its list `name`. Pure. */
export function readRuleDocument(text: string, name: string): RuleDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const lineAt = (range: readonly number[] | null | undefined): number =>
    range ? lines.linePos(range[0] ?? 0).line : 0;
  const problems = document.errors.map(({ pos, message }) => ({
    line: lineAt(pos),
    message: message.split('\n')[0] ?? 'not YAML',
  }));
  visit(document, {
    Alias: (_, { range }) => void problems.push({ line: lineAt(range), message: 'aliases are not supported' }),
  });
  if (problems.length > 0) return { entries: [], problems };
  const { contents } = document;
  if (isNothing(contents)) return { entries: [], problems };
  const list = isMap(contents) ? contents.get(name, true) : undefined;
  if (!isSeq(list)) return { entries: isMap(contents) && isNothing(list) && contents.has(name) ? [] : null, problems };
  const entries = list.items.map((item): RuleEntry => {
    const lineOf = (key: string | null): number => {
      const pair = isMap(item) ? item.items.find((each) => isScalar(each.key) && each.key.value === key) : undefined;
      const node = isScalar(pair?.key) ? pair.key : item;
      return isMap(node) || isScalar(node) || isSeq(node) ? lineAt(node.range) : 0;
    };
    return { value: isMap(item) ? item.toJS(document) : null, lineOf };
  });
  return { entries, problems };
}

function isNothing(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}
