import { validateSync } from 'class-validator';
import { isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import type { Places } from './places.js';
import { describeValue, type Place, type Problems, wholeFile } from './problem.js';
import { AUTO, type Setting, type SettingShape, type SettingsClass, settingsOf } from './schema/setting.js';
import { findDurationMs, findNanoUsd, findSizeBytes, findWholeNumber } from './schema/units.js';
import type { Substitution } from './substitution.js';
import { suggest } from './suggestion.js';
import type { YamlDocument } from './yaml-document.js';

const MAX_SHOWN_LENGTH = 40;

interface Entry {
  readonly name: string;
  readonly keyPlace: Place;
  /** The value's own place where it is a plain one, since people look there; else its key's. */
  readonly place: Place;
  readonly value: Node | null;
}

interface ScalarText {
  readonly text: string;
  readonly place: Place;
  /** False for what YAML itself takes for a number or a boolean. */
  readonly isText: boolean;
}

/**
 * One file's tree → its validated class. Values are converted by the settings' shapes, then checked by
 * class-validator. What is at fault becomes a problem and leaves the default in its place.
 */
export class SectionReader {
  constructor(
    private readonly source: YamlDocument,
    private readonly substitution: Substitution,
    private readonly problems: Problems,
    private readonly places: Places,
  ) {}

  readFile<T extends object>(type: SettingsClass<T>): T {
    const contents = this.follow(this.source.document.contents);
    const place = { ...wholeFile(this.source.file), line: 1, column: 1 };
    if (contents === null) {
      this.problems.add(place, `the file is empty; it needs at least "${settingsOf(type)[0]?.key}:"`);
      const blank = new type();
      this.noteDefaults(blank, type, place);
      return blank;
    }
    return this.readSection(contents, type, place);
  }

  private readSection<T extends object>(node: Node | null, type: SettingsClass<T>, place: Place): T {
    const section = new type();
    this.noteDefaults(section, type, place);
    const settings = settingsOf(type);
    const entries = this.readEntries(node, place, 'a mapping');
    if (entries === undefined) return section;
    for (const entry of entries) {
      const setting = settings.find(({ key }) => key === entry.name);
      if (setting === undefined) {
        const known = settings.map(({ key }) => key);
        this.problems.add(entry.keyPlace, `unknown key${suggest(entry.name, known)}`);
      } else if (!isNothing(entry.value)) {
        this.places.noteField(section, setting.property, entry.place);
        const value = this.readValue(entry.value, setting, entry.place, section);
        if (value !== undefined) Reflect.set(section, setting.property, value);
      }
    }
    for (const { required, property, key, about } of settings) {
      if (required && !this.places.has(section, property)) this.problems.add(place, `"${key}" is missing: ${about}`);
    }
    this.validate(section, new type(), settings);
    return section;
  }

  /** A section the file leaves out stands where it would be. */
  private noteDefaults(section: object, type: SettingsClass, place: Place): void {
    this.places.note(section, place);
    for (const { property, key, shape } of settingsOf(type)) {
      if (shape.kind !== 'section') continue;
      const path = place.path === '' ? key : `${place.path}.${key}`;
      this.noteDefaults(Reflect.get(section, property), shape.of, { ...place, path });
    }
  }

  private validate(section: object, defaults: object, settings: readonly Setting[]): void {
    for (const { property, constraints } of validateSync(section, { stopAtFirstError: true })) {
      const place = this.places.of(section, property);
      if (!this.places.has(section, property) || this.problems.covers(place)) continue;
      const message = Object.values(constraints ?? {})[0] ?? 'valid';
      const shape = settings.find((setting) => setting.property === property)?.shape;
      const value: unknown = Reflect.get(section, property);
      const hint =
        shape?.kind === 'choice' && typeof value === 'string' && place.shown !== null
          ? suggest(value, shape.choices)
          : '';
      this.problems.add(place, `must be ${message}${describeValue(place)}${hint}`);
      Reflect.set(section, property, Reflect.get(defaults, property));
    }
  }

  private readValue(node: Node | null, setting: Setting, place: Place, section: object): unknown {
    const { shape } = setting;
    switch (shape.kind) {
      case 'text':
      case 'whole':
      case 'switch':
      case 'choice':
      case 'duration':
      case 'size':
      case 'usd': {
        const scalar = this.readScalar(node, place, setting.mustBe, shape.kind === 'text' && shape.secret);
        if (scalar === undefined) return undefined;
        this.places.noteField(section, setting.property, scalar.place);
        return this.convert(scalar, shape, setting.mustBe);
      }
      case 'text_list':
        return this.readItems(node, place, setting.mustBe)?.flatMap(([item, itemPlace], index) => {
          const scalar = this.readScalar(item, itemPlace, 'text', shape.secret);
          if (scalar === undefined) return [];
          this.places.noteField(section, `${setting.property}[${index}]`, scalar.place);
          return [scalar.text];
        });
      case 'text_map': {
        const pairs = (this.readEntries(node, place, setting.mustBe) ?? []).flatMap((entry) => {
          // Headers may carry credentials, so none of their values is ever shown.
          const scalar = this.readScalar(entry.value, entry.place, 'text', true);
          if (scalar === undefined) return [];
          this.places.noteField(section, `${setting.property}.${entry.name}`, scalar.place);
          return [[entry.name, scalar.text] as const];
        });
        return Object.fromEntries(pairs);
      }
      case 'section':
        return this.readSection(node, shape.of, place);
      case 'section_list': {
        const single = shape.single && !isSeq(node);
        const items = single ? ([[node, place]] as const) : this.readItems(node, place, setting.mustBe);
        return items?.map(([item, itemPlace]) => this.readSection(item, shape.of, itemPlace));
      }
      case 'section_map': {
        const entries = this.readEntries(node, place, setting.mustBe) ?? [];
        return new Map(
          entries.map((entry) => {
            if (!shape.names.test(entry.name)) {
              this.problems.add(entry.keyPlace, `the name must match ${shape.names.source}`);
            }
            return [entry.name, this.readSection(entry.value, shape.of, entry.place)] as const;
          }),
        );
      }
      default:
        return shape satisfies never;
    }
  }

  private convert({ text, place, isText }: ScalarText, shape: SettingShape, mustBe: string): unknown {
    const value = convertText(text, shape);
    if (shape.kind === 'text' && !isText) {
      this.problems.add(place, `must be text${describeValue(place)}; put it in quotes`);
      return undefined;
    }
    if (value === undefined) this.problems.add(place, `must be ${mustBe}${describeValue(place)}`);
    return value;
  }

  private readScalar(node: Node | null, place: Place, mustBe: string, secret: boolean): ScalarText | undefined {
    if (!isScalar(node)) {
      this.problems.add(
        place,
        `must be ${mustBe}, not ${isSeq(node) ? 'a list' : isMap(node) ? 'a mapping' : 'empty'}`,
      );
      return undefined;
    }
    const isText = typeof node.value === 'string';
    const written = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
    const { text, references, hasEmptyReference, faults } = isText
      ? this.substitution.apply(written)
      : { text: written, references: [], hasEmptyReference: false, faults: [] };
    const shown =
      secret || references.length > 0 || faults.length > 0 || text.length > MAX_SHOWN_LENGTH
        ? null
        : JSON.stringify(text);
    const here = { ...place, shown, references, hasEmptyReference };
    for (const fault of faults) this.problems.add(here, fault);
    return faults.length > 0 ? undefined : { text, place: here, isText };
  }

  private readItems(node: Node | null, place: Place, mustBe: string): (readonly [Node | null, Place])[] | undefined {
    if (!isSeq(node)) {
      this.problems.add(place, `must be ${mustBe}`);
      return undefined;
    }
    return node.items.map((item, index) => {
      const itemNode = item as Node | null;
      return [this.follow(itemNode, place), this.placeOf(itemNode, place, `${place.path}[${index}]`)] as const;
    });
  }

  private readEntries(node: Node | null, place: Place, mustBe: string): Entry[] | undefined {
    if (isNothing(node)) return [];
    if (!isMap(node)) {
      this.problems.add(place, `must be ${mustBe}`);
      return undefined;
    }
    const firstLine = new Map<string, number>();
    return (node as YAMLMap<Node | null, Node | null>).items.flatMap(({ key, value }) => {
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.problems.add(this.placeOf(key, place, place.path), 'a key must be text; put it in quotes');
        return [];
      }
      const name = key.value;
      const shownName = name.length > MAX_SHOWN_LENGTH * 2 ? `${name.slice(0, 8)}…` : name;
      const path = place.path === '' ? shownName : `${place.path}.${shownName}`;
      const keyPlace = this.placeOf(key, place, path);
      const line = firstLine.get(name);
      if (line !== undefined) {
        this.problems.add(keyPlace, `this key stands twice; it is on line ${line} already`);
        return [];
      }
      firstLine.set(name, keyPlace.line);
      const valueNode = this.follow(value, keyPlace);
      const at = isScalar(value) && !isNothing(value) ? this.placeOf(value, keyPlace, path) : keyPlace;
      return [{ name, keyPlace, place: at, value: valueNode }];
    });
  }

  /** The node itself, or what a `*reference` stands for. */
  private follow(node: Node | null, place?: Place): Node | null {
    if (!isAlias(node)) return node;
    const target = node.resolve(this.source.document);
    if (target === undefined && place !== undefined) {
      this.problems.add(place, 'a *reference has no &anchor before it; texts that begin with "*" need quotes');
    }
    return target ?? null;
  }

  private placeOf(node: Node | null, parent: Place, path: string): Place {
    const offset = node?.range?.[0];
    const { line, col: column } =
      offset === undefined ? { line: parent.line, col: parent.column } : this.source.lines.linePos(offset);
    return { ...wholeFile(this.source.file), line, column, path };
  }
}

/** `key:` with nothing behind it: as if the key were not there. */
function isNothing(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

function convertText(text: string, shape: SettingShape): unknown {
  switch (shape.kind) {
    case 'whole':
      return shape.auto && text === AUTO ? AUTO : findWholeNumber(text);
    case 'switch':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'duration':
      return findDurationMs(text);
    case 'size':
      return findSizeBytes(text);
    case 'usd':
      return findNanoUsd(text);
    default:
      return text;
  }
}
