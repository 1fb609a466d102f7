/** What a chart's templates are made of: the part of Go's text/template that this project's chart uses. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | { readonly kind: 'declare'; readonly name: string; readonly pipeline: Pipeline }
  | { readonly kind: 'if' | 'with'; readonly pipeline: Pipeline; readonly body: Node[]; readonly otherwise: Node[] }
  | {
      readonly kind: 'range';
      readonly names: readonly string[];
      readonly pipeline: Pipeline;
      readonly body: Node[];
      readonly otherwise: Node[];
    };

/** Commands joined by `|`: each gets what the one before gave, as its last argument. */
export type Pipeline = readonly Command[];
export type Command = readonly Operand[];
export type Operand =
  | { readonly kind: 'value'; readonly value: string | number | boolean | null }
  /** `.a.b` (no name), `$.a`, `$name.a` */
  | { readonly kind: 'field'; readonly variable: string | null; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'group'; readonly pipeline: Pipeline };

export interface ParsedFile {
  readonly body: readonly Node[];
  /** What `define` names. */
  readonly templates: ReadonlyMap<string, readonly Node[]>;
}

type Piece = { readonly text: string } | { readonly action: string };

const ACTION = /\{\{(- )?([\s\S]*?)( -)?\}\}/g;
const COMMENT = /^\/\*[\s\S]*\*\/$/;
const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|:=|[|(),]|\$?[A-Za-z_][A-Za-z0-9_]*|\$|\.|-?\d+/y;

/** Throws with the file's name where the template is none, or uses what its reader does not know. */
export function parseTemplate(name: string, text: string): ParsedFile {
  try {
    return new Parser(split(text)).parse();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Texts and actions in turn; `{{-` and `-}}` take the white space before and behind them away. */
function split(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimsNext = false;
  const addText = (end: number, trimsEnd: boolean): void => {
    let part = text.slice(at, end);
    if (trimsNext) part = part.trimStart();
    if (trimsEnd) part = part.trimEnd();
    if (part !== '') pieces.push({ text: part });
  };
  for (const match of text.matchAll(ACTION)) {
    addText(match.index, match[1] !== undefined);
    const action = (match[2] ?? '').trim();
    if (!COMMENT.test(action)) pieces.push({ action });
    trimsNext = match[3] !== undefined;
    at = match.index + match[0].length;
  }
  addText(text.length, false);
  return pieces;
}

class Parser {
  private readonly templates = new Map<string, readonly Node[]>();
  private position = 0;

  constructor(private readonly pieces: readonly Piece[]) {}

  parse(): ParsedFile {
    const { nodes, end } = this.parseNodes();
    if (end !== '') throw new Error(`"${end}" ends nothing`);
    return { body: nodes, templates: this.templates };
  }

  /** Up to the `end` or `else` that belongs to somebody above, which is returned. */
  private parseNodes(): { nodes: Node[]; end: string } {
    const nodes: Node[] = [];
    for (let piece = this.pieces[this.position]; piece !== undefined; piece = this.pieces[this.position]) {
      this.position++;
      if ('text' in piece) {
        nodes.push({ kind: 'text', text: piece.text });
        continue;
      }
      const { action } = piece;
      if (/^(end|else)\b/.test(action)) return { nodes, end: action };
      const node = this.parseAction(action);
      if (node !== null) nodes.push(node);
    }
    return { nodes, end: '' };
  }

  private parseAction(action: string): Node | null {
    const [, word = '', rest = ''] = /^(define|if|with|range)\s+([\s\S]*)$/.exec(action) ?? [];
    switch (word) {
      case 'define': {
        this.templates.set(JSON.parse(rest) as string, this.parseBody().body);
        return null;
      }
      case 'if':
      case 'with':
        return { kind: word, pipeline: parsePipeline(rest), ...this.parseBody() };
      case 'range': {
        const [, names, source = rest] = /^((?:\$\w+\s*,\s*)?\$\w+)\s*:=\s*([\s\S]*)$/.exec(rest) ?? [];
        const variables = names === undefined ? [] : names.split(',').map((name) => name.trim());
        return { kind: 'range', names: variables, pipeline: parsePipeline(source), ...this.parseBody() };
      }
      default: {
        const [, name, source = action] = /^(\$\w+)\s*:=\s*([\s\S]*)$/.exec(action) ?? [];
        const pipeline = parsePipeline(source);
        return name === undefined ? { kind: 'print', pipeline } : { kind: 'declare', name, pipeline };
      }
    }
  }

  private parseBody(): { body: Node[]; otherwise: Node[] } {
    const { nodes: body, end } = this.parseNodes();
    if (end === 'end') return { body, otherwise: [] };
    if (end === 'else') {
      const { nodes: otherwise, end: last } = this.parseNodes();
      if (last !== 'end') throw new Error('an "else" has no "end"');
      return { body, otherwise };
    }
    const [, condition] = /^else if\s+([\s\S]*)$/.exec(end) ?? [];
    if (condition === undefined) throw new Error(`a block has no "end" but "${end}"`);
    // As if it stood in the else of its own, with one `end` for both.
    return { body, otherwise: [{ kind: 'if', pipeline: parsePipeline(condition), ...this.parseBody() }] };
  }
}

/** With the white space between them, which tells `.a .b` from `.a.b`. */
function tokenize(text: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < text.length; ) {
    TOKEN.lastIndex = at;
    const [token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw new Error(`"${text.slice(at)}" in "${text}" is not understood`);
    tokens.push(token);
    at += token.length;
  }
  return tokens;
}

function parsePipeline(text: string): Pipeline {
  const tokens = tokenize(text);
  const pipeline = readPipeline(tokens);
  if (tokens.length > 0) throw new Error(`"${tokens[0]}" in "${text}" closes nothing`);
  return pipeline;
}

/** Takes what it reads from `tokens`. */
function readPipeline(tokens: string[]): Pipeline {
  const commands: Operand[][] = [[]];
  for (let token = tokens[0]; token !== undefined && token !== ')'; token = tokens[0]) {
    tokens.shift();
    if (token === '|') commands.push([]);
    else if (token.trim() !== '') commands.at(-1)?.push(readOperand(token, tokens));
  }
  if (commands.some((command) => command.length === 0)) throw new Error('a command is empty');
  return commands;
}

function readOperand(token: string, tokens: string[]): Operand {
  if (token === '(') {
    const pipeline = readPipeline(tokens);
    if (tokens.shift() !== ')') throw new Error('a parenthesis is not closed');
    return { kind: 'group', pipeline };
  }
  if (token.startsWith('"')) return { kind: 'value', value: JSON.parse(token) as string };
  if (/^-?\d/.test(token)) return { kind: 'value', value: Number(token) };
  if (token === '.' && !isName(tokens[0])) return { kind: 'field', variable: null, path: [] };
  if (token === '.') return { kind: 'field', variable: null, path: [tokens.shift() ?? '', ...readPath(tokens)] };
  if (token.startsWith('$')) return { kind: 'field', variable: token, path: readPath(tokens) };
  if (token === 'true' || token === 'false') return { kind: 'value', value: token === 'true' };
  if (token === 'nil') return { kind: 'value', value: null };
  if (isName(token)) return { kind: 'function', name: token };
  throw new Error(`"${token}" is no value`);
}

function readPath(tokens: string[]): string[] {
  const path: string[] = [];
  while (tokens[0] === '.') {
    tokens.shift();
    path.push(tokens.shift() ?? '');
  }
  return path;
}

const isName = (token: string | undefined): boolean => token !== undefined && /^[A-Za-z_]/.test(token);
