import type { Environment, SecretFileReader } from './files.js';

/** A value after its `${…}` were replaced. */
export interface Substituted {
  readonly text: string;
  /** The references as they may be shown: `${NAME}`, `${file:/path}`; never a default. */
  readonly references: readonly string[];
  readonly hasEmptyReference: boolean;
  /** What could not be replaced. Holds names and paths only. */
  readonly faults: readonly string[];
}

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::([\s\S]*))?$/;
const FILE = 'file:';
const HOW_TO = `write \${NAME}, \${NAME:default} or \${file:/path}, or $\${ for a plain \${`;

/** Gives values out of the environment and out of mounted secret files; remembers which files it read. */
export class Substitution {
  private readonly filesRead = new Set<string>();

  constructor(
    private readonly environment: Environment,
    private readonly readSecretFile: SecretFileReader,
  ) {}

  get secretFiles(): readonly string[] {
    return [...this.filesRead];
  }

  /** What is put in is never looked at again: a value cannot refer to another, and cannot become YAML. */
  apply(text: string): Substituted {
    const references: string[] = [];
    const faults: string[] = [];
    let hasEmptyReference = false;
    const replaced = text.replace(REFERENCE, (whole: string, body: string | undefined, closing: string | undefined) => {
      if (body === undefined) return '${';
      const value = closing === '}' ? this.resolve(body, references, faults) : undefined;
      if (closing !== '}') faults.push(`a \${ has no closing brace; ${HOW_TO}`);
      hasEmptyReference ||= value === '';
      return value ?? whole;
    });
    return { text: replaced, references, hasEmptyReference, faults };
  }

  private resolve(body: string, references: string[], faults: string[]): string | undefined {
    if (body.startsWith(FILE)) return this.resolveFile(body.slice(FILE.length), references, faults);
    const match = NAME.exec(body);
    if (match === null) {
      faults.push(`a \${…} names no environment variable; ${HOW_TO}`);
      return undefined;
    }
    const [, name = '', fallback] = match;
    references.push(`\${${name}}`);
    if (fallback?.startsWith('-')) {
      faults.push(`the default of \${${name}} follows a colon alone: \${${name}:default}, without the "-"`);
      return undefined;
    }
    const value = Object.hasOwn(this.environment, name) ? this.environment[name] : undefined;
    if (value === undefined && fallback === undefined) {
      faults.push(`the environment variable ${name} is not set; set it, or give a default: \${${name}:default}`);
      return undefined;
    }
    // As in a shell's `:-`: container tools hand over an empty variable where the operator set none.
    return value === undefined || value === '' ? (fallback ?? '') : value;
  }

  private resolveFile(path: string, references: string[], faults: string[]): string | undefined {
    references.push(`\${${FILE}${path}}`);
    if (!path.startsWith('/')) {
      faults.push(`\${${FILE}…} needs an absolute path`);
      return undefined;
    }
    this.filesRead.add(path);
    try {
      return this.readSecretFile(path).replace(/\r?\n$/, '');
    } catch {
      faults.push(`the file ${path} cannot be read`);
      return undefined;
    }
  }
}
