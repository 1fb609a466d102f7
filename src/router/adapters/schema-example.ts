import { isObject } from '../../domain/json.js';

/** Deeper than any schema a person writes; a schema that contains itself ends here. */
const MAX_DEPTH = 12;

/** A small value that satisfies a JSON schema, the same one each time; `pattern` and `not` are not looked at. */
export function exampleOf(schema: unknown): unknown {
  return buildExample(schema, schema, 0);
}

function buildExample(schema: unknown, root: unknown, depth: number): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return schema === false ? null : {};
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  if ('default' in schema) return schema.default;
  if (typeof schema.$ref === 'string') return buildExample(resolve(schema.$ref, root), root, depth + 1);
  for (const key of ['anyOf', 'oneOf']) {
    const options = schema[key];
    if (Array.isArray(options) && options.length > 0)
      return buildExample({ ...schema, [key]: undefined, ...toObject(options[0]) }, root, depth + 1);
  }
  if (Array.isArray(schema.allOf)) return buildExample(merge(schema, schema.allOf, root), root, depth + 1);
  switch (typeOf(schema)) {
    case 'object':
      return exampleObject(schema, root, depth);
    case 'array':
      return exampleArray(schema, root, depth);
    case 'string':
      return exampleString(schema);
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

function exampleObject(schema: Record<string, unknown>, root: unknown, depth: number): Record<string, unknown> {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required: unknown[] = Array.isArray(schema.required) ? schema.required : [];
  const names = required.filter((name): name is string => typeof name === 'string');
  return Object.fromEntries(names.map((name) => [name, buildExample(properties[name] ?? {}, root, depth + 1)]));
}

function exampleArray(schema: Record<string, unknown>, root: unknown, depth: number): unknown[] {
  const length = Math.min(countOf(schema.minItems), 100);
  return Array.from({ length }, () => buildExample(schema.items ?? {}, root, depth + 1));
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

function resolve(reference: string, root: unknown): unknown {
  if (!reference.startsWith('#')) return {};
  let place: unknown = root;
  for (const part of reference.slice(1).split('/').filter(Boolean)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    place = isObject(place) && Object.hasOwn(place, key) ? place[key] : undefined;
  }
  return place ?? {};
}

function merge(schema: Record<string, unknown>, parts: readonly unknown[], root: unknown): Record<string, unknown> {
  const { allOf: _allOf, ...merged } = schema;
  for (const part of parts) {
    const resolved = isObject(part) && typeof part.$ref === 'string' ? resolve(part.$ref, root) : part;
    if (!isObject(resolved)) continue;
    const { properties, required, ...rest } = resolved;
    Object.assign(merged, rest);
    if (isObject(properties)) merged.properties = { ...toObject(merged.properties), ...properties };
    if (Array.isArray(required))
      merged.required = [...(Array.isArray(merged.required) ? merged.required : []), ...required];
  }
  return merged;
}

function toObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

function countOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.ceil(value) : 0;
}
