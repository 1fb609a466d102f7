import { CLASSIFICATIONS, findClassification } from '../../domain/classification.js';
import { AS_CONFIGURED, type FilterAction, type RuleActions } from '../../domain/finding.js';
import { isObject } from '../../domain/json.js';
import { ALPHANUMERICS, BLANKS, CharacterSet, NUMBER_SEPARATORS, WORD } from '../engine/character-set.js';
import type { RuleScanner } from '../engine/rule-scanner.js';
import { ScanBudget } from '../engine/scan-budget.js';
import { VALIDATORS, type Validator } from '../engine/validators.js';
import { runAtOnce } from '../slices.js';
import { PERSONAL_VALIDATORS } from '../validators-personal/personal-validators.js';
import { countLeadingDigits } from './leading-digits.js';
import { type PatternFacts, studyPattern } from './pattern-facts.js';
import { PatternSyntaxError, parsePattern } from './pattern-syntax.js';
import { type RuleContext, type ScanRule, SEVERITIES, type Severity } from './scan-rule.js';

/**
 * Stands inside examples and is taken out before they are tried, so that no example is a whole credential in the
 * file and no scanner of repositories takes it for one.
 */
export const EXAMPLE_SEAM = '<+>';

const KEYS: ReadonlySet<string> = new Set([
  'id',
  'vendor',
  'type',
  'severity',
  'action',
  'actions',
  'source',
  'anchors',
  'starts',
  'ignore_case',
  'value_within',
  'lead',
  'pattern',
  'max_length',
  'min_entropy',
  'validators',
  'context',
  'allow',
  'closing',
  'examples',
]);

/** Half of what the detector's windows share. */
const MAX_RULE_LENGTH = 8_192;
const MAX_VALUE_WITHIN = 500;
const MAX_LEAD = 80;
/** Eight bits a character is all a text can hold. */
const MAX_ENTROPY_BITS = 8;
const MAX_CONTEXT_WITHIN = 4_000;
const ACTION_NAMES = ['block', 'redact', 'pseudonymize', 'flag', 'off'] as const;
/** What stands between a name and its value, also where the value can hold it. */
const BEFORE_VALUES = BLANKS.union(CharacterSet.of('=:@'));
/** What makes a number part of something longer: `0.4111`, `550e8400-e29b-41d4`. */
const PART_OF_NUMBER = WORD.union(CharacterSet.of('.-'));
const QUOTES = CharacterSet.of('"');
const NOT_IN_A_RUN = CharacterSet.of(`"'<> \t\n\r`);
const BASE64_SYMBOLS = CharacterSet.of('+/');

interface Examples {
  readonly positive: readonly string[];
  readonly negative: readonly string[];
}

const NO_EXAMPLES: Examples = { positive: [], negative: [] };

/** Reads one rule; collects everything that is wrong instead of stopping at the first. */
export class RuleReader {
  readonly problems: { readonly key: string | null; readonly message: string }[] = [];
  private examples: Examples = NO_EXAMPLES;

  constructor(
    private readonly source: unknown,
    private readonly filter: string,
  ) {}

  get name(): string {
    return isObject(this.source) && typeof this.source.id === 'string' ? this.source.id : 'rule without id';
  }

  read(): ScanRule | null {
    if (!isObject(this.source)) {
      this.refuse(null, 'expected a mapping');
      return null;
    }
    for (const key of Object.keys(this.source)) {
      if (!KEYS.has(key)) this.refuse(key, `unknown key '${key}'; known are ${[...KEYS].join(', ')}`);
    }
    const id = this.text('id');
    if (id !== '' && !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(id)) this.refuse('id', 'write ids in lower case with hyphens');
    const ignoreCase = this.source.ignore_case === true;
    const startsAt = this.startsAt();
    const anchors = this.texts('anchors', startsAt === 'anchor');
    const valueWithin = this.optionalNumber('value_within', MAX_VALUE_WITHIN);
    const maxLength = this.requiredLength();
    const facts = this.studyPattern(ignoreCase, maxLength);
    const severity = this.severity();
    // Everything is read before anything is given up, so that all problems are reported together.
    const rest = {
      vendor: this.text('vendor'),
      type: this.text('type'),
      actions: this.actions(),
      source: this.documentation(),
      lead: this.optionalNumber('lead', MAX_LEAD) ?? 0,
      minEntropy: this.optionalNumber('min_entropy', MAX_ENTROPY_BITS) ?? 0,
      validators: this.validators(),
      context: this.context(),
      allow: this.allowed(),
      closing: this.source.closing === undefined ? null : this.text('closing'),
    };
    if (!facts || maxLength === null || severity === null) return null;
    const rule: ScanRule = {
      ...rest,
      id,
      filter: this.filter,
      pattern: this.text('pattern'),
      severity,
      anchors,
      startsAt,
      minDigits: startsAt === 'digit' ? countLeadingDigits(facts.pattern, NUMBER_SEPARATORS) : 0,
      minRun: startsAt === 'digit' ? countLeadingDigits(facts.pattern, CharacterSet.none) : 0,
      ignoreCase,
      valueWithin,
      matcher: new RegExp(this.text('pattern'), `y${facts.hasSecretGroup ? 'd' : ''}${ignoreCase ? 'i' : ''}`),
      hasSecretGroup: facts.hasSecretGroup,
      minLength: facts.minLength,
      patternLength: facts.maxLength,
      maxLength,
      head: facts.head,
      before: startsAt === 'digit' ? PART_OF_NUMBER : boundaryBefore(facts, valueWithin !== null),
      after: startsAt === 'digit' ? PART_OF_NUMBER : boundaryAfter(facts),
      run: facts.alphabet.overlaps(NOT_IN_A_RUN) ? null : facts.alphabet,
    };
    this.examples = this.readExamples();
    return this.problems.length > 0 ? null : rule;
  }

  /** Tries the examples of the rule that was read, among all that the scanner looks for. */
  tryExamples(rule: ScanRule, scanner: RuleScanner): void {
    const { positive, negative } = this.examples;
    positive.forEach((example, index) => {
      if (!isFound(rule, scanner, example)) this.refuse('examples', `positive example ${index + 1} is not found`);
    });
    negative.forEach((example, index) => {
      if (isFound(rule, scanner, example)) this.refuse('examples', `negative example ${index + 1} is found`);
    });
  }

  private studyPattern(ignoreCase: boolean, maxLength: number | null): PatternFacts | null {
    const pattern = this.text('pattern');
    if (pattern === '') return null;
    try {
      const facts = studyPattern(parsePattern(pattern, ignoreCase));
      if (facts.ambiguity) this.refuse('pattern', `${facts.ambiguity}: matching would not take linear time`);
      if (facts.minLength === 0) this.refuse('pattern', 'matches the empty text');
      if (facts.secretAlphabet.overlaps(QUOTES) && this.field('closing') === undefined) {
        this.refuse('pattern', `what is redacted may not hold '"', so that JSON stays JSON; use (?<secret>…)`);
      }
      if (maxLength !== null && facts.maxLength > maxLength) {
        this.refuse('max_length', `the pattern can match ${facts.maxLength} characters, more than max_length`);
      }
      return facts;
    } catch (error) {
      if (!(error instanceof PatternSyntaxError)) throw error;
      this.refuse('pattern', error.message);
      return null;
    }
  }

  private requiredLength(): number | null {
    if (this.field('max_length') === undefined) {
      this.refuse(null, `has no 'max_length'`);
      return null;
    }
    return this.optionalNumber('max_length', MAX_RULE_LENGTH);
  }

  private severity(): Severity | null {
    const text = this.text('severity');
    const severity = SEVERITIES.find((each) => each === text);
    if (!severity && text !== '') this.refuse('severity', `'${text}' is none of ${SEVERITIES.join(', ')}`);
    return severity ?? null;
  }

  /** `action` is short for the request's alone. */
  private actions(): RuleActions {
    const short = this.action('action', this.field('action'), true);
    const both = this.field('actions');
    if (both === undefined) return { request: short, response: null };
    const known = isObject(both) && Object.keys(both).every((key) => key === 'request' || key === 'response');
    if (!known || this.field('action') !== undefined) {
      this.refuse('actions', `expected actions: {request: …, response: …}, or 'action' alone for the request's`);
      return AS_CONFIGURED;
    }
    return {
      request: this.action('actions', both.request, true),
      response: this.action('actions', both.response, false),
    };
  }

  private action(key: string, action: unknown, isRequest: boolean): FilterAction | 'off' | null {
    if (action === undefined) return null;
    const name = ACTION_NAMES.find((each) => each === action);
    if (name) return name;
    const level = isObject(action) ? action.raise_to : undefined;
    const raiseTo = typeof level === 'string' ? findClassification(level) : undefined;
    if (raiseTo && isRequest) return { raiseTo };
    const raising = isRequest ? ` or {raise_to: ${CLASSIFICATIONS.join(' | ')}}` : '; an answer has no level to raise';
    this.refuse(key, `expected ${ACTION_NAMES.join(', ')}${raising}`);
    return null;
  }

  private documentation(): string | null {
    if (this.field('source') === undefined) return null;
    const source = this.text('source');
    if (source !== '' && !/^https:\/\/[a-z0-9.-]+\/?/.test(source))
      this.refuse('source', `'source' is no https address`);
    return source;
  }

  /** `starts: digit` stands instead of anchors. */
  private startsAt(): 'anchor' | 'digit' {
    const starts = this.field('starts');
    if (starts === undefined) return 'anchor';
    if (starts !== 'digit') this.refuse('starts', `'starts' can only be digit`);
    if (this.field('anchors') !== undefined || this.field('value_within') !== undefined) {
      this.refuse('starts', `'starts: digit' stands instead of 'anchors' and 'value_within'`);
    }
    return 'digit';
  }

  private validators(): Validator[] {
    const found: Validator[] = [];
    for (const name of this.texts('validators', false)) {
      const validator = VALIDATORS.get(name) ?? PERSONAL_VALIDATORS.get(name);
      if (validator) found.push(validator);
      else
        this.refuse(
          'validators',
          `unknown validator '${name}'; known are ${[...VALIDATORS.keys(), ...PERSONAL_VALIDATORS.keys()].join(', ')}`,
        );
    }
    return found;
  }

  private context(): RuleContext | null {
    const context = this.field('context');
    if (context === undefined) return null;
    const words = isObject(context) ? context.words : undefined;
    const within = isObject(context) ? (context.within ?? 0) : undefined;
    const wordsAreTexts = Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string');
    const inBounds = typeof within === 'number' && within >= 0 && within <= MAX_CONTEXT_WITHIN;
    if (!wordsAreTexts || !inBounds) {
      this.refuse('context', `expected {words: [texts], within: 0 to ${MAX_CONTEXT_WITHIN} characters}`);
      return null;
    }
    return { words: words.map((word) => String(word).toLowerCase()), within };
  }

  private allowed(): RegExp[] {
    const found: RegExp[] = [];
    for (const pattern of this.texts('allow', false)) {
      try {
        const { ambiguity } = studyPattern(parsePattern(pattern, true));
        if (ambiguity) this.refuse('allow', `'${pattern}': ${ambiguity}`);
        else found.push(new RegExp(pattern, 'i'));
      } catch (error) {
        if (!(error instanceof PatternSyntaxError)) throw error;
        this.refuse('allow', `'${pattern}': ${error.message}`);
      }
    }
    return found;
  }

  private readExamples(): Examples {
    const examples = this.field('examples');
    const positive = isObject(examples) ? examples.positive : undefined;
    const negative = isObject(examples) ? (examples.negative ?? []) : undefined;
    if (areTexts(positive) && positive.length > 0 && areTexts(negative)) return { positive, negative };
    this.refuse('examples', 'expected {positive: [texts], negative: [texts]} with at least one positive');
    return NO_EXAMPLES;
  }

  private field(key: string): unknown {
    return isObject(this.source) ? this.source[key] : undefined;
  }

  private text(key: string): string {
    const value = this.field(key);
    if (typeof value === 'string' && value !== '') return value;
    const message = value === undefined ? `has no '${key}'` : `'${key}' is not a text`;
    if (!this.problems.some((problem) => problem.message === message)) {
      this.refuse(value === undefined ? null : key, message);
    }
    return '';
  }

  private texts(key: string, required: boolean): string[] {
    const value = this.field(key);
    if (value === undefined && !required) return [];
    if (areTexts(value) && value.length > 0 && value.every((each) => each !== '')) return value;
    this.refuse(
      value === undefined ? null : key,
      value === undefined ? `has no '${key}'` : `'${key}' is no list of texts`,
    );
    return [];
  }

  private optionalNumber(key: string, max: number): number | null {
    const value = this.field(key);
    if (value === undefined) return null;
    if (typeof value === 'number' && value > 0 && value <= max) return value;
    this.refuse(key, `'${key}' must be a number above 0, at most ${max}`);
    return null;
  }

  private refuse(key: string | null, message: string): void {
    this.problems.push({ key, message });
  }
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isFound(rule: ScanRule, scanner: RuleScanner, example: string): boolean {
  const text = example.replaceAll(EXAMPLE_SEAM, '');
  const matches = runAtOnce(scanner.scan(text, ScanBudget.forCharacters(text.length)));
  return matches.some((match) => match.rule === rule);
}

/** A token may not follow a word; a value that has no prefix of its own may not follow its own characters either. */
function boundaryBefore(facts: PatternFacts, isValue: boolean): CharacterSet | null {
  if (!WORD.overlaps(facts.head)) return null;
  return isValue ? WORD.union(facts.alphabet.minus(BEFORE_VALUES)) : WORD;
}

function boundaryAfter(facts: PatternFacts): CharacterSet | null {
  if (facts.tail.overlaps(BLANKS) || !facts.tail.overlaps(ALPHANUMERICS.union(CharacterSet.of('_-+/=')))) return null;
  const longer = WORD.union(facts.tail);
  return facts.tail.overlaps(BASE64_SYMBOLS) ? longer.union(CharacterSet.of('=')) : longer;
}
