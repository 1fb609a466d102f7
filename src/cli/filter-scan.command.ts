import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import type { ConfigSnapshot } from '../config/snapshot.js';
import type { Classification } from '../domain/classification.js';
import type { FilterAction } from '../domain/finding.js';
import { type Candidate, choose } from '../filter/choice.js';
import { detectAll } from '../filter/detectors/text-detector.js';
import { FilterRules } from '../filter/filter-rules.js';
import { RULE_FILTERS, rulesIn } from '../filter/rule-files.js';
import type { ScanRule } from '../filter/rules/scan-rule.js';
import { withEnvironment } from './cli.context.js';
import { getValidConfiguration } from './config-check.js';
import { InputError, InputReader } from './input.js';
import { formatTable } from './table.js';

const FOUND = 1;
const STANDARD_INPUT = '-';
const DEFAULT_LEVEL: Classification = 'INTERNAL';

/** Something in a text. Says where and what kind, never the matched text. */
export interface TextFinding {
  readonly filter: string;
  readonly rule: string;
  /** Of rules alone: what weighs a text as a whole has none. */
  readonly severity: string | null;
  /** 1-based; a column is a UTF-16 unit. */
  readonly line: number;
  readonly column: number;
  readonly action: string;
}

/** `aegis filter scan`. Sets the exit code: 0 nothing was found, 1 something was. What cannot be answered is exit code 2. */
export async function scanFile(file: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  const findings = await answer(file, options).catch((error: unknown) => {
    // A fault's usual exit code is an answer here.
    throw error instanceof InputError
      ? error
      : new InputError([error instanceof Error ? error.message : String(error)]);
  });
  process.stdout.write(options.json === true ? `${JSON.stringify(findings)}\n` : describe(findings));
  if (findings.length > 0) process.exitCode = FOUND;
}

async function answer(file: string, options: Readonly<Record<string, unknown>>): Promise<TextFinding[]> {
  const input = new InputReader(options);
  const level = input.classification('classification') ?? DEFAULT_LEVEL;
  input.assertValid();
  return withEnvironment(async () => {
    const { snapshot } = await getValidConfiguration(process.env);
    const text = file === STANDARD_INPUT ? await readAll(process.stdin) : await readFile(file, 'utf8');
    return findInText(snapshot, level, text);
  });
}

/** What a request at this level with this text would be found to hold, in the text's order. */
export function findInText(snapshot: ConfigSnapshot, level: Classification, text: string): TextFinding[] {
  const active = new FilterRules().of(snapshot);
  const rules = new Map<string, ScanRule>(
    RULE_FILTERS.flatMap((filter) => rulesIn(snapshot.documents, filter)).map((rule) => [
      `${rule.filter} ${rule.id}`,
      rule,
    ]),
  );
  const candidates = active.detectorsFor('request', level).flatMap(({ detector }) =>
    detectAll(detector, text).flatMap((detection): (Candidate & { filter: string })[] => {
      const action = active.policy.resolve(detection, 'request', level);
      if (action === 'off') return [];
      const { filter, rule, start, end, whole } = detection;
      return [{ filter, rule, start, end, wholeStart: whole?.start ?? start, wholeEnd: whole?.end ?? end, action }];
    }),
  );
  const placeOf = lineFinder(text);
  return choose(candidates).map(({ candidate: { filter, rule, start }, action }) => ({
    filter,
    rule,
    severity: rules.get(`${filter} ${rule}`)?.severity ?? null,
    ...placeOf(start),
    action: nameOf(action),
  }));
}

/** Offsets must come in ascending order: the text is gone through once. */
function lineFinder(text: string): (offset: number) => { line: number; column: number } {
  let line = 1;
  let lineStart = 0;
  return (offset) => {
    for (let next = text.indexOf('\n', lineStart); next !== -1 && next < offset; next = text.indexOf('\n', lineStart)) {
      line++;
      lineStart = next + 1;
    }
    return { line, column: offset - lineStart + 1 };
  };
}

function nameOf(action: FilterAction): string {
  return typeof action === 'object' ? `raise to ${action.raiseTo}` : action;
}

function describe(findings: readonly TextFinding[]): string {
  if (findings.length === 0) return 'Nothing was found.\n';
  const rows = findings.map(({ filter, rule, severity, line, column, action }) => [
    `${line}:${column}`,
    filter,
    rule,
    severity ?? '',
    action,
  ]);
  return formatTable([['PLACE', 'FILTER', 'RULE', 'SEVERITY', 'ACTION'], ...rows]);
}
