import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DocumentReader, Documents, ReadDocument } from '../config/extension.js';
import { isObject } from '../domain/json.js';
import { loadTerms } from './detectors/terms-loader.js';
import { formatRuleProblems, type LoadedRules, loadRules } from './rules/rule-loader.js';
import type { ScanRule } from './rules/scan-rule.js';

/** The files of rules in the configuration's folder, by the filter they belong to. In the order findings are told in. */
export const RULE_FILE_NAMES = {
  secrets: 'secret-rules.yaml',
  personal_data: 'personal-data-rules.yaml',
  terms: 'terms.yaml',
} as const;
export type RuleFilter = keyof typeof RULE_FILE_NAMES;
export const RULE_FILTERS = Object.keys(RULE_FILE_NAMES) as readonly RuleFilter[];

/** The rules that come with the gateway, two floors above both `src/filter` and `dist/src/filter`. */
const SHIPPED_DIRECTORY = fileURLToPath(new URL('../../config', import.meta.url));

/** What one file holds; the same object for the same text. */
export class RuleSet {
  constructor(readonly rules: readonly ScanRule[]) {}
}

/** Text of a file → its rules, or every problem of it at once. Tries all examples, which takes a while: the last text is known again. */
class RuleFileReader implements DocumentReader {
  private last: { readonly text: string | null; readonly result: ReadDocument } | null = null;

  constructor(
    readonly fileName: string,
    readonly shippedFile: string | null,
    private readonly load: (text: string) => LoadedRules,
  ) {}

  read(text: string | null): ReadDocument {
    if (this.last?.text === text) return this.last.result;
    const { rules, problems } = text === null ? { rules: [], problems: [] } : this.load(text);
    const result = { value: new RuleSet(Object.freeze([...rules])), problems };
    this.last = { text, result };
    return result;
  }
}

/** Secrets and personal data are never searched with no rules at all: the shipped ones apply where the folder has none. */
const READERS: Readonly<Record<RuleFilter, DocumentReader>> = {
  secrets: readerOf('secrets', (text) => loadRules(text, 'secrets'), true),
  personal_data: readerOf('personal_data', (text) => loadRules(text, 'personal_data'), true),
  terms: readerOf('terms', loadTerms, false),
};

function readerOf(filter: RuleFilter, load: (text: string) => LoadedRules, isShipped: boolean): DocumentReader {
  const fileName = RULE_FILE_NAMES[filter];
  return new RuleFileReader(fileName, isShipped ? join(SHIPPED_DIRECTORY, fileName) : null, load);
}

export const RULE_DOCUMENTS: readonly DocumentReader[] = RULE_FILTERS.map((filter) => READERS[filter]);

/** A filter's rules as a snapshot has them. Throws where it was loaded without them: nothing is searched with none. */
export function rulesIn(documents: Documents, filter: RuleFilter): readonly ScanRule[] {
  const set = documents.get(RULE_FILE_NAMES[filter]);
  if (!(set instanceof RuleSet)) throw new Error(`this configuration was loaded without ${RULE_FILE_NAMES[filter]}`);
  return set.rules;
}

/** One file of rules as it was read. */
export interface RuleFile {
  /** Its path. */
  readonly file: string;
  /** Null where there is none, which only terms may lack. */
  readonly text: string | null;
  readonly rules: readonly ScanRule[];
}

export type RuleFiles = Readonly<Record<RuleFilter, RuleFile>>;

/** Rules that cannot be used. `message` lists everything that is wrong with them. */
export class RuleFilesError extends Error {
  constructor(problems: readonly string[]) {
    super(`The rules cannot be used:\n${problems.join('\n')}`);
    this.name = 'RuleFilesError';
  }
}

/**
 * Reads the rules of a folder, and the shipped ones where the folder has none, as a start of the gateway does. Throws
 * with every problem of every file at once.
 */
export async function readRuleFiles(directory: string): Promise<RuleFiles> {
  const problems: string[] = [];
  const files = await Promise.all(
    RULE_FILTERS.map(async (filter) => {
      const { fileName, shippedFile } = READERS[filter];
      const own = join(directory, fileName);
      const ownText = await readIfPresent(own);
      const file = ownText === null && shippedFile !== null ? shippedFile : own;
      const text = ownText ?? (shippedFile === null ? null : await readFile(shippedFile, 'utf8'));
      const { value, problems: found } = READERS[filter].read(text);
      if (found.length > 0) problems.push(formatRuleProblems(file, found));
      return [filter, { file, text, rules: value instanceof RuleSet ? value.rules : [] }] as const;
    }),
  );
  if (problems.length > 0) throw new RuleFilesError(problems);
  return Object.fromEntries(files) as Record<RuleFilter, RuleFile>;
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isObject(error) && error.code === 'ENOENT') return null;
    throw error;
  }
}
