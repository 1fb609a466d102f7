import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { CONFIG_FILE_NAMES } from '../../../src/config/files.js';
import { FILE_CLASSES } from '../../../src/config/loader.js';
import { type SettingsClass, settingsOf } from '../../../src/config/schema/setting.js';
import { buildJsonSchema, formatDefault } from './json-schema.js';

const root = join(__dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const schemaPath = (file: string): string => `config/schema/${file.replace('.yaml', '.schema.json')}`;
const HOW = 'write them anew with: AEGIS_WRITE_SCHEMAS=1 npx jest --selectProjects unit test/unit/config/schema-files';

describe('the JSON schemas that editors use', () => {
  it.each(CONFIG_FILE_NAMES)(`describes %s exactly as the gateway reads it (${HOW})`, (file) => {
    const built = buildJsonSchema(FILE_CLASSES[file], file);
    if (process.env.AEGIS_WRITE_SCHEMAS === '1') {
      mkdirSync(dirname(join(root, schemaPath(file))), { recursive: true });
      writeFileSync(join(root, schemaPath(file)), `${JSON.stringify(built, null, 2)}\n`);
    }
    expect(JSON.parse(read(schemaPath(file)))).toEqual(JSON.parse(JSON.stringify(built)));
  });

  it.each(
    CONFIG_FILE_NAMES.flatMap((file) => [
      [`config/${file}`, file] as const,
      [`config/production/${file}`, file] as const,
    ]),
  )('accepts the shipped %s, which names it in its first line', (path, file) => {
    const text = read(path);
    const validate = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(read(schemaPath(file))));
    validate(parse(text));
    expect(validate.errors ?? []).toEqual([]);
    const reference = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1] ?? '';
    expect(join(dirname(path), reference)).toBe(schemaPath(file));
  });

  it('lets an editor mark an unknown key and a duration without its unit', () => {
    const validate = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(read(schemaPath('gateway.yaml'))));
    expect(validate({ server: { prot: 8080 } })).toBe(false);
    expect(validate({ routing: { deadline: 30 } })).toBe(false);
    expect(validate({ routing: { deadline: '30s' }, server: { port: `\${PORT:1}` } })).toBe(true);
  });
});

interface DocumentedSetting {
  readonly path: string;
  readonly defaultText: string | null;
  readonly effect: 'live' | 'restart';
}

function listSettings(type: SettingsClass, prefix: string, seen: Set<SettingsClass>): DocumentedSetting[] {
  if (seen.has(type)) return [];
  seen.add(type);
  return settingsOf(type).flatMap((setting): DocumentedSetting[] => {
    const path = `${prefix}${setting.key}`;
    const { shape } = setting;
    const written = formatDefault(setting, new type());
    const row: DocumentedSetting = {
      path,
      defaultText: written === null ? null : typeof written === 'string' ? written : JSON.stringify(written),
      effect: setting.restart ? 'restart' : 'live',
    };
    if (shape.kind === 'section') return listSettings(shape.of, `${path}.`, seen);
    if (shape.kind === 'section_list') return [row, ...listSettings(shape.of, `${path}[].`, seen)];
    if (shape.kind === 'section_map') return listSettings(shape.of, `${path}.NAME.`, seen);
    return [row];
  });
}

describe('docs/configuration.md', () => {
  const rows = read('docs/configuration.md')
    .split('\n')
    .filter((line) => line.startsWith('| `') && /\| (live|restart) \|/.test(line));
  const settings = CONFIG_FILE_NAMES.flatMap((file) => listSettings(FILE_CLASSES[file], '', new Set()));

  it.each(settings)('has a row for $path with its default and its effect', ({ path, defaultText, effect }) => {
    const row = rows.find((line) => line.startsWith(`| \`${path}\` |`));
    expect(row).toBeDefined();
    const [, , , shownDefault, shownEffect] = (row ?? '').split('|').map((cell) => cell.trim());
    if (defaultText !== null) expect(shownDefault).toBe(defaultText === '' ? 'empty' : `\`${defaultText}\``);
    expect(shownEffect).toBe(effect);
  });

  it('has no row for a key that does not exist', () => {
    const known = new Set(settings.map(({ path }) => path));
    expect(rows.map((row) => /^\| `([^`]+)`/.exec(row)?.[1] ?? '').filter((path) => !known.has(path))).toEqual([]);
  });
});
