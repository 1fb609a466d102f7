import {
  AUTO,
  type Setting,
  type SettingShape,
  type SettingsClass,
  settingsOf,
} from '../../../src/config/schema/setting.js';
import { formatDuration, formatSize, UNIT_PATTERNS } from '../../../src/config/schema/units.js';

type Schema = Readonly<Record<string, unknown>>;

/** Any value may be made from the environment or a mounted file instead. */
const REFERENCE: Schema = { type: 'string', pattern: '\\$\\{' };

/** The JSON Schema of one file, for editors: made from the very classes that the loader reads into. */
export function buildJsonSchema(type: SettingsClass, title: string): Schema {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title, ...sectionSchema(type) };
}

function sectionSchema(type: SettingsClass): Schema {
  const settings = settingsOf(type);
  const required = settings.filter((setting) => setting.required).map(({ key }) => key);
  return {
    type: 'object',
    additionalProperties: false,
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(settings.map((setting) => [setting.key, settingSchema(setting, new type())])),
  };
}

function settingSchema(setting: Setting, defaults: object): Schema {
  const written = formatDefault(setting, defaults);
  return {
    description: setting.about,
    ...(written !== null && { default: written }),
    ...shapeSchema(setting.shape),
  };
}

/** The default as it would be written in the file; null where there is none. */
export function formatDefault({ property, shape, required }: Setting, defaults: object): unknown {
  const value: unknown = Reflect.get(defaults, property);
  if (required || value === null || value instanceof Map) return null;
  if (shape.kind === 'duration') return formatDuration(Number(value));
  if (shape.kind === 'size') return formatSize(Number(value));
  return shape.kind === 'section' ? null : value;
}

function shapeSchema(shape: SettingShape): Schema {
  switch (shape.kind) {
    case 'text':
      return shape.pattern === null
        ? { type: 'string' }
        : { anyOf: [{ type: 'string', pattern: shape.pattern.source }, REFERENCE] };
    case 'whole':
      return {
        anyOf: [
          { type: 'integer', minimum: shape.min, maximum: shape.max },
          ...(shape.auto ? [{ enum: [AUTO] }] : []),
          REFERENCE,
        ],
      };
    case 'switch':
      return { anyOf: [{ type: 'boolean' }, REFERENCE] };
    case 'choice':
      return { anyOf: [{ enum: shape.choices }, REFERENCE] };
    case 'duration':
      return { anyOf: [{ type: 'string', pattern: UNIT_PATTERNS.duration }, REFERENCE] };
    case 'size':
      return { anyOf: [{ type: 'string', pattern: UNIT_PATTERNS.size }, REFERENCE] };
    case 'usd':
      return { anyOf: [{ type: 'number', minimum: 0 }, { type: 'string', pattern: UNIT_PATTERNS.usd }, REFERENCE] };
    case 'text_list':
      return { type: 'array', items: { type: 'string' } };
    case 'text_map':
      return { type: 'object', additionalProperties: { type: 'string' } };
    case 'section':
      return sectionSchema(shape.of);
    case 'section_list': {
      const list = { type: 'array', items: sectionSchema(shape.of) };
      return shape.single ? { anyOf: [sectionSchema(shape.of), list] } : list;
    }
    case 'section_map':
      return {
        type: 'object',
        propertyNames: { pattern: shape.names.source },
        additionalProperties: sectionSchema(shape.of),
      };
    default:
      return shape satisfies never;
  }
}
