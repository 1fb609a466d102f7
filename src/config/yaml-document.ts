import { type Document, type ErrorCode, Lexer, LineCounter, Parser, parseDocument } from 'yaml';
import type { ConfigFileName } from './files.js';
import { type Place, type Problems, wholeFile } from './problem.js';

/** Far deeper than any configuration; the parser recurses and could end the process on what a broken tool writes. */
const MAX_DEPTH = 64;

/**
 * What is wrong, in our own words: the parser's quote the text around the fault, which may be a secret.
 */
const SYNTAX_PROBLEMS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'a *reference cannot have an anchor or a tag',
  BAD_ALIAS: 'a *reference is incomplete',
  BAD_COLLECTION_TYPE: 'a tag does not fit its value',
  BAD_DIRECTIVE: 'a %directive is not understood',
  BAD_DQ_ESCAPE: 'a double-quoted text holds an unknown \\ escape; use single quotes for a plain backslash',
  BAD_INDENT: 'the indentation does not fit, or a bracket or brace is not closed',
  BAD_PROP_ORDER: 'an anchor or tag stands in the wrong place',
  BAD_SCALAR_START: 'this text must be put in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " stands on one line; put the value in quotes, or start a new line',
  BLOCK_IN_FLOW: 'an indented block cannot stand inside brackets or braces',
  DUPLICATE_KEY: 'this key stands twice in the same mapping',
  IMPOSSIBLE: 'the text cannot be understood here',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
  MISSING_CHAR: 'something is missing here: a closing quote, bracket or brace, a comma or a blank',
  MULTILINE_IMPLICIT_KEY: 'a key spans several lines; is a ":" missing?',
  MULTIPLE_ANCHORS: 'a value has two anchors',
  MULTIPLE_DOCS: 'the file holds more than one document ("---")',
  MULTIPLE_TAGS: 'a value has two tags',
  NON_STRING_KEY: 'a key must be text',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'a tab is used as indentation; use blanks',
  TAG_RESOLVE_FAILED: 'a !tag is not understood; texts that begin with "!" need quotes',
  UNEXPECTED_TOKEN: 'the text is not expected here',
};

/** A file as a tree, every part of which knows its line. */
export interface YamlDocument {
  readonly file: ConfigFileName;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Reads YAML. Undefined, with problems, where the text is none that could be made sense of. Never throws. */
export function parseYaml(file: ConfigFileName, text: string, problems: Problems): YamlDocument | undefined {
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col: column } = lines.linePos(offset);
    return { ...wholeFile(file), line: Math.max(line, 1), column: Math.max(column, 1) };
  };
  try {
    if (isTooDeep(text)) {
      problems.add(wholeFile(file), SYNTAX_PROBLEMS.RESOURCE_EXHAUSTION);
      return undefined;
    }
    // Who reads the tree finds duplicate keys, and can name them.
    const options = { lineCounter: lines, prettyErrors: false, logLevel: 'silent', uniqueKeys: false } as const;
    const document = parseDocument(text, options);
    const faults = [...document.errors, ...document.warnings];
    for (const { code, pos } of faults) problems.add(place(pos[0]), SYNTAX_PROBLEMS[code]);
    return faults.length === 0 ? { file, document, lines } : undefined;
  } catch {
    problems.add(wholeFile(file), 'the text is not YAML');
    return undefined;
  }
}

function isTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const token of new Lexer().lex(text)) {
    for (const _ of parser.next(token)) if (parser.stack.length > MAX_DEPTH) return true;
    if (parser.stack.length > MAX_DEPTH) return true;
  }
  return false;
}
