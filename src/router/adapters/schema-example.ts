import { isObject } from '../../domain/json.js';

/** Deeper than any schema a person writes; a schema that contains itself ends here. */
const MAX_DEPTH = 12;
/** The work of one example: about a unit for each value, each keyword looked at and each character said. */
const MAX_WORK = 100_000;

/** One schema that is being given an example, and how much work is left for it: a short schema can ask for a lot. */
interface Task {
  readonly root: unknown;
  workLeft: number;
}

/**
 * A small value that satisfies a JSON schema, the same one each time; `pattern` and `not` are not looked at. A schema
 * that asks for a huge value gets the beginning of one.
 */
export function exampleOf(schema: unknown): unknown {
  return buildExample(schema, { root: schema, workLeft: MAX_WORK }, 0);
}

function buildExample(schema: unknown, task: Task, depth: number): unknown {
  task.workLeft -= 1;
  if (!isObject(schema) || depth > MAX_DEPTH || task.workLeft <= 0) return schema === false ? null : {};
  task.workLeft -= Object.keys(schema).length;
  if ('const' in schema) return said(schema.const, task);
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return said(schema.enum[0], task);
  if ('default' in schema) return said(schema.default, task);
  if (typeof schema.$ref === 'string') return buildExample(resolve(schema.$ref, task), task, depth + 1);
  for (const key of ['anyOf', 'oneOf']) {
    const options = schema[key];
    if (Array.isArray(options) && options.length > 0)
      return buildExample({ ...schema, [key]: undefined, ...toObject(options[0]) }, task, depth + 1);
  }
  if (Array.isArray(schema.allOf)) return buildExample(merge(schema, schema.allOf, task), task, depth + 1);
  switch (typeOf(schema)) {
    case 'object':
      return exampleObject(schema, task, depth);
    case 'array':
      return exampleArray(schema, task, depth);
    case 'string':
      return said(exampleString(schema), task);
    case 'integer':
    case 'number':
      return exampleNumber(schema);
    case 'boolean':
      return true;
    default:
      return null;
  }
}

function typeOf(schema: Record<string, unknown>): unknown {
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type !== undefined) return type;
  if (isObject(schema.properties) || Array.isArray(schema.required)) return 'object';
  return 'items' in schema ? 'array' : 'string';
}

/** The schema's own words cost what they weigh: repeated, a long one is as much work as many short ones. */
function said(value: unknown, task: Task): unknown {
  task.workLeft -= JSON.stringify(value).length;
  return value;
}

function exampleObject(schema: Record<string, unknown>, task: Task, depth: number): Record<string, unknown> {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const members: [string, unknown][] = [];
  for (const name of toArray(schema.required)) {
    if (task.workLeft <= 0) break;
    if (typeof name !== 'string') continue;
    task.workLeft -= name.length;
    members.push([name, buildExample(Object.hasOwn(properties, name) ? properties[name] : {}, task, depth + 1)]);
  }
  return Object.fromEntries(members);
}

function exampleArray(schema: Record<string, unknown>, task: Task, depth: number): unknown[] {
  const length = Math.min(countOf(schema.minItems), 100);
  const items: unknown[] = [];
  while (items.length < length && task.workLeft > 0) items.push(buildExample(schema.items ?? {}, task, depth + 1));
  return items;
}

const FORMATS: Readonly<Record<string, string>> = {
  date: '2024-01-01',
  'date-time': '2024-01-01T00:00:00Z',
  time: '00:00:00Z',
  email: 'someone@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

function exampleString(schema: Record<string, unknown>): string {
  const { format, maxLength } = schema;
  const text = typeof format === 'string' && Object.hasOwn(FORMATS, format) ? (FORMATS[format] ?? 'text') : 'text';
  const longEnough = text.padEnd(Math.min(countOf(schema.minLength), 10_000), 'x');
  return typeof maxLength === 'number' ? longEnough.slice(0, maxLength) : longEnough;
}

function exampleNumber(schema: Record<string, unknown>): number {
  const step = typeof schema.multipleOf === 'number' && schema.multipleOf > 0 ? schema.multipleOf : 1;
  if (typeof schema.minimum === 'number') return Math.ceil(schema.minimum / step) * step;
  if (typeof schema.exclusiveMinimum === 'number') return (Math.floor(schema.exclusiveMinimum / step) + 1) * step;
  const { maximum, exclusiveMaximum } = schema;
  if (typeof maximum === 'number' && maximum < step) return Math.floor(maximum / step) * step;
  if (typeof exclusiveMaximum === 'number' && exclusiveMaximum <= step) {
    return (Math.ceil(exclusiveMaximum / step) - 1) * step;
  }
  return step;
}

function resolve(reference: string, task: Task): unknown {
  task.workLeft -= reference.length;
  if (!reference.startsWith('#')) return {};
  let place = task.root;
  for (const part of reference.slice(1).split('/').filter(Boolean)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    place = isObject(place) && Object.hasOwn(place, key) ? place[key] : undefined;
  }
  return place ?? {};
}

function merge(schema: Record<string, unknown>, parts: readonly unknown[], task: Task): Record<string, unknown> {
  const { allOf: _allOf, ...merged } = schema;
  const properties: Record<string, unknown> = {};
  const required: unknown[] = [];
  for (const part of [schema, ...parts]) {
    if (task.workLeft <= 0) break;
    const resolved = isObject(part) && typeof part.$ref === 'string' ? resolve(part.$ref, task) : part;
    if (!isObject(resolved)) continue;
    if (part !== schema) Object.assign(merged, resolved);
    Object.assign(properties, toObject(resolved.properties));
    for (const name of toArray(resolved.required)) required.push(name);
    task.workLeft -=
      1 +
      Object.keys(resolved).length +
      Object.keys(toObject(resolved.properties)).length +
      toArray(resolved.required).length;
  }
  if (Object.keys(properties).length > 0) merged.properties = properties;
  if (required.length > 0) merged.required = required;
  return merged;
}

function toArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function toObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

function countOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.ceil(value) : 0;
}
