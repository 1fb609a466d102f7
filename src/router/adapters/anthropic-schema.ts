import { isObject } from '../../domain/json.js';
import { restoreNumbers } from './exact-numbers.js';

/** A schema as Anthropic's grammar takes it, with what its size is counted by. */
export interface NativeSchema {
  readonly schema: Record<string, unknown>;
  readonly optionalProperties: number;
  readonly unions: number;
}

type Schema = Record<string, unknown>;

const DEFINITION = /^#\/(?:\$defs|definitions)\/([^/]+)$/;

const SUPPORTED_FORMATS: ReadonlySet<unknown> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);

/** Keywords that change which values are meant: words in a description cannot stand for them. */
const INEXPRESSIBLE: ReadonlySet<string> = new Set([
  'allOf',
  'not',
  'if',
  'then',
  'else',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedProperties',
  'unevaluatedItems',
  'prefixItems',
  'additionalItems',
  'contains',
  'minContains',
  'maxContains',
  '$dynamicRef',
  '$recursiveRef',
]);

/** Keywords that say nothing of the values. */
const SILENT: ReadonlySet<string> = new Set(['$schema', '$id', '$comment', '$anchor']);

/** Constraints the grammar does not know → what the model reads instead. */
const IN_WORDS: Readonly<Record<string, (value: string) => string>> = {
  minimum: (value) => `at least ${value}`,
  maximum: (value) => `at most ${value}`,
  exclusiveMinimum: (value) => `more than ${value}`,
  exclusiveMaximum: (value) => `less than ${value}`,
  multipleOf: (value) => `a multiple of ${value}`,
  minLength: (value) => `at least ${value} characters`,
  maxLength: (value) => `at most ${value} characters`,
  pattern: (value) => `matching the regular expression ${value}`,
  format: (value) => `in the format ${value}`,
  minItems: (value) => `at least ${value} items`,
  maxItems: (value) => `at most ${value} items`,
  uniqueItems: (value) => `unique items: ${value}`,
};

/**
 * A schema in the subset of Anthropic's structured outputs and strict tools: objects are closed, constraints the
 * subset does not know are said in descriptions. Null where the subset cannot say what is meant: open maps, recursion,
 * values of any type, compositions.
 *
 * An object that leaves `additionalProperties` out is closed too: whatever fits the closed one fits the open one.
 * Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
 */
export function toNativeSchema(schema: Schema): NativeSchema | null {
  if (!hasSoundReferences(schema)) return null;
  const writer = new NativeSchemaWriter();
  const written = writer.write(schema, true);
  if (!writer.isExpressible) return null;
  return { schema: written, optionalProperties: writer.optionalProperties, unions: writer.unions };
}

class NativeSchemaWriter {
  isExpressible = true;
  optionalProperties = 0;
  unions = 0;

  write(schema: unknown, isRoot = false): Schema {
    if (!isObject(schema) || countShapes(schema) !== 1) return this.giveUp();
    const written: Schema = {};
    const words: string[] = [];
    for (const [keyword, value] of Object.entries(schema)) {
      switch (keyword) {
        case '$defs':
        case 'definitions':
          if (!isRoot) return this.giveUp();
          written[keyword] = this.writeAll(value);
          break;
        case 'properties':
          written.properties = this.writeAll(value);
          break;
        case 'items':
          written.items = this.write(value);
          break;
        case 'anyOf':
        case 'oneOf':
          written.anyOf = this.writeBranches(value);
          break;
        case 'additionalProperties':
          if (value !== false) return this.giveUp();
          break;
        case 'type':
        case '$ref':
        case 'required':
        case 'title':
        case 'description':
        case 'default':
          written[keyword] = value;
          break;
        case 'enum':
        case 'const':
          if ([value].flat().some((literal) => typeof literal === 'object' && literal !== null)) return this.giveUp();
          written[keyword] = value;
          break;
        default:
          if (INEXPRESSIBLE.has(keyword)) return this.giveUp();
          if (isKnownToGrammar(keyword, value)) written[keyword] = value;
          else if (!SILENT.has(keyword)) words.push(inWords(keyword, value));
      }
    }
    this.closeObject(schema, written);
    const types = [written.type].flat();
    if (types.length > 1) this.unions++;
    if (types.includes('array') && !('items' in written)) return this.giveUp();
    return describe(written, words);
  }

  private writeAll(schemas: unknown): Schema {
    if (!isObject(schemas)) return this.giveUp();
    return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, this.write(schema)]));
  }

  private writeBranches(branches: unknown): Schema[] {
    if (!Array.isArray(branches) || branches.length === 0) return [this.giveUp()];
    this.unions++;
    return branches.map((branch) => this.write(branch));
  }

  private closeObject(schema: Schema, written: Schema): void {
    if (!('properties' in schema) && ![schema.type].flat().includes('object')) return;
    // Without properties it is a map of anything, but for one that is closed already and so can only be empty.
    if (!('properties' in schema) && schema.additionalProperties !== false) this.giveUp();
    written.type ??= 'object';
    written.properties ??= {};
    written.additionalProperties = false;
    const names = Object.keys(isObject(written.properties) ? written.properties : {});
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    if ([...required].some((name) => !names.includes(String(name)))) this.giveUp();
    this.optionalProperties += names.filter((name) => !required.has(name)).length;
  }

  private giveUp(): Schema {
    this.isExpressible = false;
    return {};
  }
}

/** In how many ways a schema says what its values are: beside one another they would have to be intersected. */
function countShapes(schema: Schema): number {
  const ownShape = ['type', 'properties', 'items', 'enum', 'const'].some((keyword) => keyword in schema);
  return ['$ref', 'anyOf', 'oneOf'].filter((keyword) => keyword in schema).length + (ownShape ? 1 : 0);
}

function isKnownToGrammar(keyword: string, value: unknown): boolean {
  if (keyword === 'format') return SUPPORTED_FORMATS.has(value);
  return keyword === 'minItems' && (value === 0 || value === 1);
}

function inWords(keyword: string, value: unknown): string {
  const text = restoreNumbers(JSON.stringify(value) ?? '');
  return Object.hasOwn(IN_WORDS, keyword) && IN_WORDS[keyword] ? IN_WORDS[keyword](text) : `${keyword}: ${text}`;
}

function describe(written: Schema, words: readonly string[]): Schema {
  const description = [
    ...(typeof written.description === 'string' ? [written.description] : []),
    ...(words.length > 0 ? [`Must be: ${words.join('; ')}.`] : []),
  ].join(' ');
  const described = description === '' ? written : { ...written, description };
  const { $ref, ...beside } = described;
  // The grammar takes nothing beside a reference but definitions.
  const isBare = $ref === undefined || Object.keys(beside).every((keyword) => /^(?:\$defs|definitions)$/.test(keyword));
  return isBare ? described : { anyOf: [{ $ref }], ...beside };
}

/** Whether every reference leads to a definition of the root, and none of them back to where it came from. */
function hasSoundReferences(root: Schema): boolean {
  const definitions = definitionsOf(root);
  const isSound = new Map<string, boolean>();
  const visit = (schema: unknown): boolean =>
    findReferences(schema).every((reference) => {
      const name = definitionName(reference);
      if (name === null || !definitions.has(name)) return false;
      const known = isSound.get(name);
      if (known !== undefined) return known;
      // Until it has been followed to its end, coming back to it is recursion.
      isSound.set(name, false);
      const sound = visit(definitions.get(name));
      isSound.set(name, sound);
      return sound;
    });
  const { $defs: _defs, definitions: _definitions, ...rest } = root;
  return visit(rest) && [...definitions.values()].every(visit);
}

function definitionsOf(root: Schema): Map<string, unknown> {
  return new Map([root.definitions, root.$defs].flatMap((group) => (isObject(group) ? Object.entries(group) : [])));
}

function definitionName(reference: unknown): string | null {
  const name = typeof reference === 'string' ? DEFINITION.exec(reference)?.[1] : undefined;
  if (name === undefined) return null;
  try {
    return decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return null;
  }
}

function findReferences(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(findReferences);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === '$ref' && !isObject(member) ? [member] : findReferences(member),
  );
}

/** The schema an object's `$ref` at the root leads to, with the definitions beside it; else the schema itself. */
export function withoutRootReference(schema: Schema): Schema {
  const name = definitionName(schema.$ref);
  const target = name === null ? undefined : definitionsOf(schema).get(name);
  if (!isObject(target)) return schema;
  const { $ref: _reference, ...beside } = schema;
  return { ...target, ...beside };
}
