import { IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, Matches, Max, Min, ValidateBy } from 'class-validator';
import { formatDuration, formatSize } from './units.js';

export type SettingsClass<T extends object = object> = new () => T;

/** How a setting is written in its file, and with it how it is read. */
export type SettingShape =
  | { readonly kind: 'text'; readonly secret: boolean; readonly pattern: RegExp | null }
  | { readonly kind: 'whole'; readonly min: number; readonly max: number; readonly auto: boolean }
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'duration'; readonly min: number; readonly max: number }
  | { readonly kind: 'size'; readonly min: number; readonly max: number }
  | { readonly kind: 'usd' }
  | { readonly kind: 'text_list'; readonly secret: boolean }
  | { readonly kind: 'text_map' }
  | { readonly kind: 'section'; readonly of: SettingsClass }
  | { readonly kind: 'section_list'; readonly of: SettingsClass; readonly single: boolean }
  | { readonly kind: 'section_map'; readonly of: SettingsClass; readonly names: RegExp };

/** One key of a configuration file. The reader, the editors' JSON schemas and the documentation's test all read this. */
export interface Setting {
  readonly property: string;
  /** The key in the file: the property in snake_case, without its unit. */
  readonly key: string;
  readonly shape: SettingShape;
  /** One sentence for editors. */
  readonly about: string;
  readonly required: boolean;
  /** True where a change takes effect at the next start only: a reload keeps the running value. */
  readonly restart: boolean;
  /** What a value must be, as the end of the sentence "… must be". */
  readonly mustBe: string;
}

export interface SettingOptions {
  readonly about: string;
  readonly required?: boolean;
  readonly restart?: boolean;
}

const SETTINGS = new Map<unknown, Setting[]>();
const UNIT_SUFFIX: Partial<Record<SettingShape['kind'], string>> = { duration: 'Ms', size: 'Bytes', usd: 'NanoUsd' };

/** The settings of the class that this one extends, then its own, in the order they are declared in. */
export function settingsOf(type: SettingsClass): readonly Setting[] {
  const own = SETTINGS.get(type) ?? [];
  const base: unknown = Object.getPrototypeOf(type);
  return isSettingsClass(base) ? [...settingsOf(base), ...own] : own;
}

function isSettingsClass(type: unknown): type is SettingsClass {
  return SETTINGS.has(type);
}

function keyOf(property: string, kind: SettingShape['kind']): string {
  const suffix = UNIT_SUFFIX[kind] ?? '';
  if (!property.endsWith(suffix)) throw new TypeError(`${property} must end in ${suffix}, the unit it is kept in`);
  const name = property.slice(0, property.length - suffix.length);
  return name.replace(/[A-Z]|(?<=[a-z])\d/g, (letter) => `_${letter.toLowerCase()}`);
}

function setting(
  shape: SettingShape,
  mustBe: string,
  options: SettingOptions,
  checks: readonly PropertyDecorator[],
): PropertyDecorator {
  return (target, property) => {
    const name = String(property);
    const known = SETTINGS.get(target.constructor) ?? [];
    SETTINGS.set(target.constructor, known);
    known.push({
      property: name,
      key: keyOf(name, shape.kind),
      shape,
      about: options.about,
      required: options.required ?? false,
      restart: options.restart ?? false,
      mustBe,
    });
    for (const check of [IsOptional(), ...checks]) check(target, property);
  };
}

export interface TextOptions extends SettingOptions {
  /** Never shown, not even where it is at fault. */
  readonly secret?: boolean;
  readonly pattern?: RegExp;
  readonly mustBe?: string;
}

export function Text(options: TextOptions): PropertyDecorator {
  const mustBe = options.mustBe ?? 'text';
  const pattern = options.pattern ?? null;
  return setting({ kind: 'text', secret: options.secret ?? false, pattern }, mustBe, options, [
    IsString({ message: mustBe }),
    ...(pattern === null ? [] : [Matches(pattern, { message: mustBe })]),
  ]);
}

export function Whole(options: SettingOptions & { readonly min: number; readonly max: number }): PropertyDecorator {
  const { min, max } = options;
  const mustBe = `a whole number from ${min} to ${max}`;
  return setting({ kind: 'whole', min, max, auto: false }, mustBe, options, range(min, max, mustBe));
}

/** What a setting is that AEGIS is to choose a number for. */
export const AUTO = 'auto';

export function WholeOrAuto(
  options: SettingOptions & { readonly min: number; readonly max: number },
): PropertyDecorator {
  const { min, max } = options;
  const mustBe = `a whole number from ${min} to ${max}, or ${AUTO}`;
  const isRight = (value: unknown): boolean =>
    value === AUTO || (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max);
  return setting({ kind: 'whole', min, max, auto: true }, mustBe, options, [
    ValidateBy({ name: 'isWholeOrAuto', validator: { validate: isRight } }, { message: mustBe }),
  ]);
}

export function Switch(options: SettingOptions): PropertyDecorator {
  return setting({ kind: 'switch' }, 'true or false', options, [IsBoolean({ message: 'true or false' })]);
}

export function Choice(options: SettingOptions & { readonly choices: readonly string[] }): PropertyDecorator {
  const { choices } = options;
  const mustBe = `one of ${choices.join(', ')}`;
  return setting({ kind: 'choice', choices }, mustBe, options, [IsIn(choices, { message: mustBe })]);
}

export interface DurationOptions extends SettingOptions {
  readonly minMs?: number;
  readonly maxMs?: number;
}

/** No timer waits longer than a day, and Node's own stop at 24.8 days. */
const DAY_MS = 86_400_000;

export function Duration(options: DurationOptions): PropertyDecorator {
  const { minMs: min = 0, maxMs: max = DAY_MS } = options;
  const examples = max > DAY_MS ? '30m, 24h, 180d' : '250ms, 30s, 5m, 24h';
  const mustBe = `a duration with its unit (${examples}), from ${formatDuration(min)} to ${formatDuration(max)}`;
  return setting({ kind: 'duration', min, max }, mustBe, options, range(min, max, mustBe));
}

export function Size(
  options: SettingOptions & { readonly minBytes: number; readonly maxBytes: number },
): PropertyDecorator {
  const { minBytes: min, maxBytes: max } = options;
  const mustBe = `a size with its unit (512KiB, 20MiB), from ${formatSize(min)} to ${formatSize(max)}`;
  return setting({ kind: 'size', min, max }, mustBe, options, range(min, max, mustBe));
}

/** US dollars as a decimal, kept in nano-USD. */
export function Usd(options: SettingOptions): PropertyDecorator {
  const mustBe = 'an amount of US dollars as a plain decimal with at most 9 places, such as 0.075';
  return setting({ kind: 'usd' }, mustBe, options, [
    ValidateBy(
      { name: 'isNanoUsd', validator: { validate: (value: unknown) => typeof value === 'bigint' && value >= 0n } },
      { message: mustBe },
    ),
  ]);
}

export function TextList(
  options: SettingOptions & { readonly secret?: boolean; readonly pattern?: RegExp; readonly mustBe?: string },
): PropertyDecorator {
  const mustBe = options.mustBe ?? 'a list of texts';
  return setting({ kind: 'text_list', secret: options.secret ?? false }, mustBe, options, [
    IsString({ each: true, message: mustBe }),
    ...(options.pattern ? [Matches(options.pattern, { each: true, message: mustBe })] : []),
  ]);
}

export function TextMap(options: SettingOptions): PropertyDecorator {
  const mustBe = 'a mapping of names to texts';
  return setting({ kind: 'text_map' }, mustBe, options, [IsObject({ message: mustBe })]);
}

export function Section(of: SettingsClass, options: SettingOptions): PropertyDecorator {
  return setting({ kind: 'section', of }, 'a mapping', options, [IsObject({ message: 'a mapping' })]);
}

/** A list of sections; with `single`, one section may stand in the place of a list of one. */
export function SectionList(
  of: SettingsClass,
  options: SettingOptions & { readonly single?: boolean },
): PropertyDecorator {
  const single = options.single ?? false;
  const mustBe = single ? 'a mapping, or a list of mappings' : 'a list of mappings';
  return setting({ kind: 'section_list', of, single }, mustBe, options, [IsObject({ each: true, message: mustBe })]);
}

/** Sections by name, in the file's order. */
export function SectionMap(of: SettingsClass, options: SettingOptions & { readonly names: RegExp }): PropertyDecorator {
  const mustBe = 'a mapping of names to mappings';
  return setting({ kind: 'section_map', of, names: options.names }, mustBe, options, [IsObject({ message: mustBe })]);
}

function range(min: number, max: number, message: string): PropertyDecorator[] {
  return [IsInt({ message }), Min(min, { message }), Max(max, { message })];
}
