import {
  FUNCTIONS,
  isEmpty,
  isMap,
  type TemplateFunction,
  toText,
  type Value,
  type ValueMap,
} from './template.functions.js';
import {
  type Command,
  type Node,
  type Operand,
  type ParsedFile,
  type Pipeline,
  parseTemplate,
} from './template.parser.js';

/** Where an expression stands: what `.` and the variables mean there. */
interface Scope {
  readonly dot: Value;
  readonly variables: ReadonlyMap<string, Value>;
}

/** Carries out templates as Helm does, as far as this project's chart goes; refuses what it does not know. */
export class TemplateRenderer {
  private readonly files = new Map<string, ParsedFile>();
  private readonly functions: Readonly<Record<string, TemplateFunction>> = {
    ...FUNCTIONS,
    include: (name, data) => this.include(toText(name), data ?? null),
  };

  /** `sources`: file name → text. Any may define templates for the others. */
  constructor(sources: ReadonlyMap<string, string>) {
    for (const [name, text] of sources) this.files.set(name, parseTemplate(name, text));
  }

  render(name: string, data: ValueMap): string {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`there is no template ${name}`);
    try {
      return this.renderNodes(file.body, { dot: data, variables: new Map([['$', data]]) });
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Names that are defined and never included. */
  findUnused(): string[] {
    const texts = JSON.stringify([...this.files.values()].map((file) => [file.body, [...file.templates.values()]]));
    return [...this.files.values()]
      .flatMap((file) => [...file.templates.keys()])
      .filter((name) => !texts.includes(JSON.stringify({ kind: 'value', value: name })));
  }

  private include(name: string, dot: Value): string {
    for (const { templates } of this.files.values()) {
      const body = templates.get(name);
      // A template sees no variable of whoever includes it, and `$` is what it was given.
      if (body !== undefined) return this.renderNodes(body, { dot, variables: new Map([['$', dot]]) });
    }
    throw new Error(`there is no template "${name}"`);
  }

  private renderNodes(nodes: readonly Node[], outer: Scope): string {
    let scope = outer;
    let text = '';
    for (const node of nodes) {
      if (node.kind === 'declare') {
        const value = this.evaluate(node.pipeline, scope);
        scope = { ...scope, variables: new Map([...scope.variables, [node.name, value]]) };
      } else text += this.renderNode(node, scope);
    }
    return text;
  }

  private renderNode(node: Exclude<Node, { kind: 'declare' }>, scope: Scope): string {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'print':
        return toText(this.evaluate(node.pipeline, scope));
      case 'if':
      case 'with': {
        const value = this.evaluate(node.pipeline, scope);
        if (isEmpty(value)) return this.renderNodes(node.otherwise, scope);
        return this.renderNodes(node.body, node.kind === 'with' ? { ...scope, dot: value } : scope);
      }
      case 'range': {
        const value = this.evaluate(node.pipeline, scope);
        if (isEmpty(value)) return this.renderNodes(node.otherwise, scope);
        return entriesOf(value)
          .map(([key, item]) => this.renderNodes(node.body, enterRange(scope, node.names, key, item)))
          .join('');
      }
      default:
        return node satisfies never;
    }
  }

  private evaluate(pipeline: Pipeline, scope: Scope): Value {
    const [first, ...others] = pipeline;
    if (first === undefined) throw new Error('an action is empty');
    return others.reduce<Value>((value, command) => this.run(command, scope, [value]), this.run(first, scope, []));
  }

  private run([head, ...parameters]: Command, scope: Scope, piped: Value[]): Value {
    if (head === undefined) throw new Error('a command is empty');
    const value = this.resolve(head, scope);
    const given = [...parameters.map((parameter) => this.settle(parameter, scope)), ...piped];
    if (typeof value === 'function') return value(...given);
    if (given.length > 0) throw new Error(`${JSON.stringify(head)} is no function`);
    return value;
  }

  /** A function that stands as a parameter is called: it can only be one without any. */
  private settle(operand: Operand, scope: Scope): Value {
    const value = this.resolve(operand, scope);
    return typeof value === 'function' ? value() : value;
  }

  private resolve(operand: Operand, scope: Scope): Value {
    switch (operand.kind) {
      case 'value':
        return operand.value;
      case 'group':
        return this.evaluate(operand.pipeline, scope);
      case 'function': {
        const found = Object.hasOwn(this.functions, operand.name) ? this.functions[operand.name] : undefined;
        if (found === undefined) throw new Error(`the function "${operand.name}" is not known here`);
        return found;
      }
      case 'field': {
        const start = operand.variable === null ? scope.dot : scope.variables.get(operand.variable);
        if (start === undefined) throw new Error(`there is no variable ${operand.variable}`);
        return operand.path.reduce<Value>((value, name) => {
          if (!isMap(value)) throw new Error(`.${operand.path.join('.')}: nothing has a field "${name}" there`);
          return value[name] ?? null;
        }, start);
      }
      default:
        return operand satisfies never;
    }
  }
}

/** Maps go by their keys' order. */
function entriesOf(value: Value): [Value, Value][] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  if (!isMap(value)) throw new Error(`${JSON.stringify(value)} cannot be gone through`);
  return Object.keys(value)
    .sort()
    .map((key) => [key, value[key] ?? null]);
}

function enterRange(scope: Scope, names: readonly string[], key: Value, item: Value): Scope {
  const variables = new Map(scope.variables);
  const [first, second] = names;
  if (first !== undefined) variables.set(first, second === undefined ? item : key);
  if (second !== undefined) variables.set(second, item);
  return { dot: item, variables };
}
