import type { Place } from './problem.js';
import { type SettingsClass, settingsOf } from './schema/setting.js';

interface SectionPlaces {
  readonly place: Place;
  readonly fields: Map<string, Place>;
}

/** Remembers where each section and each of its values stood, for what is checked after reading. */
export class Places {
  private readonly sections = new WeakMap<object, SectionPlaces>();

  note(section: object, place: Place): void {
    this.sections.set(section, { place, fields: new Map() });
  }

  noteField(section: object, field: string, place: Place): void {
    this.sections.get(section)?.fields.set(field, place);
  }

  /** Where the section stood, or one of its fields; a field the file leaves out is placed at its section. */
  of(section: object, field?: string): Place {
    const known = this.sections.get(section);
    if (known === undefined) throw new TypeError('This section was not read from a file.');
    if (field === undefined) return known.place;
    const found = known.fields.get(field);
    if (found !== undefined) return found;
    const key = keyOf(section, field);
    return { ...known.place, path: known.place.path === '' ? key : `${known.place.path}.${key}` };
  }

  /** Whether the file itself gives this field. */
  has(section: object, field: string): boolean {
    return this.sections.get(section)?.fields.has(field) ?? false;
  }
}

function keyOf(section: object, field: string): string {
  const settings = settingsOf(section.constructor as SettingsClass);
  return settings.find(({ property }) => property === field)?.key ?? field;
}
