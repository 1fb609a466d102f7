import { parse } from 'yaml';
import { getConfigDirectory } from '../config/directory.js';
import { isObject } from '../domain/json.js';
import { RulesDetector } from '../filter/detectors/rules.detector.js';
import { detectAll } from '../filter/detectors/text-detector.js';
import { RuleScanner } from '../filter/engine/rule-scanner.js';
import { RULE_FILTERS, type RuleFile, readRuleFiles } from '../filter/rule-files.js';
import { EXAMPLE_SEAM } from '../filter/rules/rule-reader.js';
import { withEnvironment } from './cli.context.js';
import { formatTable } from './table.js';

/** The examples of one file, tried. */
interface TriedFile {
  readonly file: string;
  readonly rules: number;
  readonly positive: number;
  readonly negative: number;
  /** Rule and example, never its text. */
  readonly failures: readonly string[];
}

interface Example {
  readonly rule: string;
  readonly kind: 'positive' | 'negative';
  /** 1-based. */
  readonly number: number;
  readonly text: string;
}

/**
 * `aegis filter test`. Reading the files tries each rule alone and throws with every problem; here all rules of a file
 * are tried together, as a request meets them. Exit code 1 where an example is not as it should be.
 */
export async function testRules(): Promise<void> {
  const tried = await withEnvironment(async () => {
    const files = await readRuleFiles(getConfigDirectory(process.env));
    return RULE_FILTERS.map((filter) => tryFile(files[filter]));
  });
  const rows = tried.map(({ file, rules, positive, negative, failures }) =>
    [file, rules, positive, negative, failures.length].map(String),
  );
  process.stdout.write(formatTable([['FILE', 'RULES', 'POSITIVE', 'NEGATIVE', 'FAILED'], ...rows]));
  const failures = tried.flatMap(({ file, failures }) => failures.map((failure) => `${file}: ${failure}`));
  if (failures.length > 0) throw new Error(failures.join('\n'));
}

function tryFile({ file, text, rules }: RuleFile): TriedFile {
  const examples = text === null ? [] : listExamples(text);
  const detector = new RulesDetector(new RuleScanner(rules));
  const failures = examples
    .filter(({ rule, kind, text }) => {
      const isFound = detectAll(detector, text).some((detection) => detection.rule === rule);
      return isFound !== (kind === 'positive');
    })
    .map(({ rule, kind, number }) => `${rule}: ${kind} example ${number} is ${kind === 'positive' ? 'not ' : ''}found`);
  const count = (kind: Example['kind']): number => examples.filter((example) => example.kind === kind).length;
  return { file, rules: rules.length, positive: count('positive'), negative: count('negative'), failures };
}

/** The file was read before: what has not the form of a rule with examples has none. */
function listExamples(text: string): Example[] {
  const content: unknown = parse(text);
  const rules = isObject(content) && Array.isArray(content.rules) ? content.rules : [];
  return rules.flatMap((rule: unknown) => {
    if (!isObject(rule) || !isObject(rule.examples)) return [];
    const { id, examples } = rule;
    return (['positive', 'negative'] as const).flatMap((kind) => {
      const texts = examples[kind];
      return (Array.isArray(texts) ? texts : []).map((example: unknown, index) => ({
        rule: String(id),
        kind,
        number: index + 1,
        text: String(example).replaceAll(EXAMPLE_SEAM, ''),
      }));
    });
  });
}
