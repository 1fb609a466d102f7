import { createHash } from 'node:crypto';
import { stringify } from 'yaml';

/** What a template's expression may come to. */
export type Value = null | boolean | number | string | Value[] | ValueMap | TemplateFunction;
export interface ValueMap {
  [name: string]: Value;
}
export type TemplateFunction = (...parameters: Value[]) => Value;

export function isMap(value: Value | undefined): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As an `if` sees it. */
export function isEmpty(value: Value | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isMap(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0 || value === '';
}

/** As it is printed. Throws where Helm would print what nobody means: `<no value>`, a map, 1e+06. */
export function toText(value: Value | undefined): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (Math.abs(value) >= 1e6) throw new Error(`the number ${value} would be printed with an exponent`);
    return String(value);
  }
  throw new Error(`${value === undefined || value === null ? 'nothing' : 'a list or a map'} would be printed`);
}

function toNumber(value: Value | undefined): number {
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw new Error(`${JSON.stringify(value)} is no whole number`);
  return value;
}

/** Go's `%q` agrees with JSON for what the chart quotes: lines of printable text. */
const quote = (text: string): string => JSON.stringify(text);

function indent(width: number, text: string): string {
  return text.replace(/^/gm, ' '.repeat(width));
}

function print(format: string, values: Value[]): string {
  const rest = [...values];
  const text = format.replace(/%([sd%])/g, (_, verb: string) => {
    if (verb === '%') return '%';
    const value = rest.shift();
    return verb === 'd' ? String(toNumber(value)) : toText(value);
  });
  if (rest.length > 0) throw new Error(`"${format}" has no place for all of its values`);
  return text;
}

function toDictionary(parameters: Value[]): ValueMap {
  const map: ValueMap = {};
  for (let index = 0; index < parameters.length; index += 2) {
    map[toText(parameters[index])] = parameters[index + 1] ?? null;
  }
  return map;
}

function asMap(value: Value | undefined): ValueMap {
  if (!isMap(value)) throw new Error(`${JSON.stringify(value)} is no map`);
  return value;
}

/** A word that Go's templates, Sprig or Helm bring, as far as the chart uses it. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  add: (...numbers) => numbers.reduce<number>((sum, number) => sum + toNumber(number), 0),
  contains: (part, text) => toText(text).includes(toText(part)),
  default: (fallback, value) => (isEmpty(value) ? (fallback ?? null) : (value ?? null)),
  dict: (...parameters) => toDictionary(parameters),
  eq: (one, other) => toText(one) === toText(other),
  fail: (message) => {
    throw new Error(toText(message));
  },
  get: (map, name) => asMap(map)[toText(name)] ?? '',
  hasKey: (map, name) => Object.hasOwn(asMap(map), toText(name)),
  int: (value) => toNumber(value),
  list: (...values) => values,
  lower: (text) => toText(text).toLowerCase(),
  nindent: (width, text) => `\n${indent(toNumber(width), toText(text))}`,
  not: (value) => isEmpty(value),
  printf: (format, ...values) => print(toText(format), values),
  quote: (value) => quote(toText(value)),
  replace: (old, put, text) => toText(text).replaceAll(toText(old), toText(put)),
  required: (message, value) => {
    if (value === undefined || value === null || value === '') throw new Error(toText(message));
    return value;
  },
  set: (map, name, value) => {
    asMap(map)[toText(name)] = value ?? null;
    return map ?? null;
  },
  sha256sum: (text) => createHash('sha256').update(toText(text)).digest('hex'),
  toJson: (value) => JSON.stringify(value ?? null),
  toYaml: (value) => stringify(value, { lineWidth: 0, version: '1.1' }).replace(/\n$/, ''),
  trimSuffix: (suffix, text) => {
    const [whole, end] = [toText(text), toText(suffix)];
    return whole.endsWith(end) ? whole.slice(0, whole.length - end.length) : whole;
  },
  trunc: (length, text) => toText(text).slice(0, toNumber(length)),
};
