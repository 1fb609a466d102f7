import { CLASSIFICATIONS, findClassification } from '../../domain/classification.js';
import type { FilterAction } from '../../domain/finding.js';
import { isObject } from '../../domain/json.js';
import { CharacterSet, WORD } from '../engine/character-set.js';
import { type PatternFacts, studyPattern } from '../rules/pattern-facts.js';
import { PatternSyntaxError, parsePattern } from '../rules/pattern-syntax.js';
import { type RuleProblem, readRuleDocument } from '../rules/rule-document.js';
import type { LoadedRules } from '../rules/rule-loader.js';
import type { ScanRule } from '../rules/scan-rule.js';
import { patternOfWords } from './term-pattern.js';

const KEYS: readonly string[] = [
  'id',
  'words',
  'whole_words',
  'ignore_case',
  'pattern',
  'anchors',
  'max_length',
  'action',
  'response_action',
];
const MIN_WORD = 2;
const MAX_WORD = 200;
/** Each character of a word is a row of a table; so many take some tens of megabytes. */
const MAX_CHARACTERS = 200_000;
const MAX_PATTERN_LENGTH = 1_024;
const REQUEST_ACTIONS = ['block', 'redact', 'pseudonymize', 'flag', 'off'] as const;
const RESPONSE_ACTIONS = ['block', 'redact', 'flag', 'off'] as const;
const QUOTES = CharacterSet.of('"');
/** Letters of scripts that set words apart by blanks. */
const CASED = /[\p{Lu}\p{Ll}\p{Lt}\w]/u;

/**
 * Text of `terms.yaml` → an operator's own terms as rules, or every problem in it at once. Pure. Nothing but comments, and an
 * empty list, are no terms and no problem.
 */
export function loadTerms(text: string): LoadedRules {
  const { entries, problems: faults } = readRuleDocument(text, 'terms');
  if (faults.length > 0) return { rules: [], problems: faults };
  if (!entries) return { rules: [], problems: [{ line: 0, message: `expected a list 'terms'` }] };

  const problems: RuleProblem[] = [];
  const rules: ScanRule[] = [];
  const ids = new Set<string>();
  let characters = 0;
  for (const { value, lineOf } of entries) {
    const reader = new TermReader(value);
    rules.push(...reader.read());
    characters += reader.characters;
    if (ids.has(reader.name)) reader.refuse('id', 'this id is used twice');
    ids.add(reader.name);
    for (const { key, message } of reader.problems) {
      problems.push({ line: lineOf(key), message: `${reader.name}: ${message}` });
    }
  }
  if (characters > MAX_CHARACTERS) {
    problems.push({
      line: 0,
      message: `the words have ${characters} characters together, more than ${MAX_CHARACTERS}`,
    });
  }
  return problems.length > 0 ? { rules: [], problems } : { rules, problems };
}

/** Reads one item of the list; collects everything that is wrong instead of stopping at the first. */
class TermReader {
  readonly problems: { readonly key: string | null; readonly message: string }[] = [];
  characters = 0;

  constructor(private readonly source: unknown) {}

  get name(): string {
    return isObject(this.source) && typeof this.source.id === 'string' ? this.source.id : 'term without id';
  }

  read(): ScanRule[] {
    if (!isObject(this.source)) {
      this.refuse(null, 'expected a mapping');
      return [];
    }
    for (const key of Object.keys(this.source)) {
      if (!KEYS.includes(key)) this.refuse(key, `unknown key '${key}'; known are ${KEYS.join(', ')}`);
    }
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(this.name)) this.refuse('id', 'write ids in lower case with hyphens');
    const hasPattern = this.source.pattern !== undefined;
    if (hasPattern === (this.source.words !== undefined)) {
      this.refuse(null, `has to have either 'words' or 'pattern'`);
      return [];
    }
    const common = {
      actions: { request: this.action(), response: this.responseAction() },
      ignoreCase: this.flag('ignore_case'),
      wholeWords: this.flag('whole_words'),
    };
    return hasPattern ? this.readPattern(common) : this.readWords(common);
  }

  refuse(key: string | null, message: string): void {
    this.problems.push({ key, message });
  }

  /** Words that begin or end in a sign need no edge there, so they are rules of their own. */
  private readWords(common: Common): ScanRule[] {
    for (const key of ['anchors', 'max_length']) {
      if (this.field(key) !== undefined) this.refuse(key, `'${key}' belongs to a pattern`);
    }
    const words = this.texts('words');
    const byEdges = new Map<string, string[]>();
    for (const word of new Set(words.map((each) => (common.ignoreCase ? foldCase(each) : each)))) {
      this.characters += word.length;
      if (word.trim() !== word || word.length < MIN_WORD || word.length > MAX_WORD) {
        this.refuse('words', `'${word}' has to have ${MIN_WORD} to ${MAX_WORD} characters, without blanks around it`);
      }
      const edges = `${CASED.test(word.slice(0, 1))} ${CASED.test(word.slice(-1))}`;
      byEdges.set(edges, [...(byEdges.get(edges) ?? []), word]);
    }
    if (this.problems.length > 0) return [];
    return [...byEdges].map(([edges, group]) => {
      const [begins, ends] = edges.split(' ');
      const pattern = patternOfWords(group);
      const facts = studyPattern(parsePattern(pattern, common.ignoreCase));
      return this.makeRule(common, pattern, facts, group, begins === 'true', ends === 'true');
    });
  }

  private readPattern(common: Common): ScanRule[] {
    const pattern = this.field('pattern');
    const anchors = this.texts('anchors');
    const maxLength = this.field('max_length');
    if (typeof pattern !== 'string' || pattern === '') {
      this.refuse('pattern', `'pattern' is not a text`);
      return [];
    }
    if (typeof maxLength !== 'number' || maxLength < 1 || maxLength > MAX_PATTERN_LENGTH) {
      this.refuse('max_length', `a pattern needs 'max_length', at most ${MAX_PATTERN_LENGTH}`);
    }
    try {
      const facts = studyPattern(parsePattern(pattern, common.ignoreCase));
      if (facts.ambiguity) this.refuse('pattern', `${facts.ambiguity}: matching would not take linear time`);
      if (facts.minLength === 0) this.refuse('pattern', 'matches the empty text');
      if (facts.secretAlphabet.overlaps(QUOTES)) this.refuse('pattern', `may not hold '"', so that JSON stays JSON`);
      if (typeof maxLength === 'number' && facts.maxLength > maxLength) {
        this.refuse('max_length', `the pattern can match ${facts.maxLength} characters, more than max_length`);
      }
      if (this.problems.length > 0) return [];
      return [this.makeRule(common, pattern, facts, anchors, WORD.overlaps(facts.head), WORD.overlaps(facts.tail))];
    } catch (error) {
      if (!(error instanceof PatternSyntaxError)) throw error;
      this.refuse('pattern', error.message);
      return [];
    }
  }

  private makeRule(
    { actions, ignoreCase, wholeWords }: Common,
    pattern: string,
    facts: PatternFacts,
    anchors: readonly string[],
    beginsWord: boolean,
    endsWord: boolean,
  ): ScanRule {
    return {
      id: this.name,
      filter: 'terms',
      vendor: 'own',
      type: 'term',
      severity: 'medium',
      source: null,
      actions,
      anchors,
      startsAt: 'anchor',
      minDigits: 0,
      minRun: 0,
      ignoreCase,
      valueWithin: null,
      lead: 0,
      pattern,
      matcher: new RegExp(pattern, `y${facts.hasSecretGroup ? 'd' : ''}${ignoreCase ? 'i' : ''}`),
      hasSecretGroup: facts.hasSecretGroup,
      minLength: facts.minLength,
      patternLength: facts.maxLength,
      maxLength: facts.maxLength,
      head: facts.head,
      before: wholeWords && beginsWord ? WORD : null,
      after: wholeWords && endsWord ? WORD : null,
      run: null,
      minEntropy: 0,
      // A term is what its operator says, also where it looks like a placeholder (`Project Example`).
      validators: [() => 'verified'],
      context: null,
      allow: [],
      closing: null,
    };
  }

  private action(): FilterAction | 'off' | null {
    const action = this.field('action');
    if (action === undefined) return null;
    const level = isObject(action) ? action.raise_to : undefined;
    const raiseTo = typeof level === 'string' ? findClassification(level) : undefined;
    if (raiseTo) return { raiseTo };
    const known = REQUEST_ACTIONS.find((each) => each === action);
    if (!known)
      this.refuse('action', `expected ${REQUEST_ACTIONS.join(', ')} or {raise_to: ${CLASSIFICATIONS.join(' | ')}}`);
    return known ?? null;
  }

  private responseAction(): 'block' | 'redact' | 'flag' | 'off' | null {
    const action = this.field('response_action');
    const known = RESPONSE_ACTIONS.find((each) => each === action);
    if (!known && action !== undefined) this.refuse('response_action', `expected ${RESPONSE_ACTIONS.join(', ')}`);
    return known ?? null;
  }

  private flag(key: string): boolean {
    const value = this.field(key) ?? true;
    if (typeof value !== 'boolean') this.refuse(key, `'${key}' is true or false`);
    return value === true;
  }

  private texts(key: string): string[] {
    const value = this.field(key);
    const fine =
      Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string' && each !== '');
    if (fine) return value;
    this.refuse(
      value === undefined ? null : key,
      `'${key}' has to be a list of texts; put numbers and yes or no in quotes`,
    );
    return [];
  }

  private field(key: string): unknown {
    return isObject(this.source) ? this.source[key] : undefined;
  }
}

interface Common {
  readonly actions: ScanRule['actions'];
  readonly ignoreCase: boolean;
  readonly wholeWords: boolean;
}

/** In lower case unit by unit, as anchors are compared. */
function foldCase(word: string): string {
  return word
    .split('')
    .map((unit) => (unit.toLowerCase().length === 1 ? unit.toLowerCase() : unit))
    .join('');
}
