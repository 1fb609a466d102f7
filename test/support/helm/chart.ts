import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';
import { isMap, toText, type Value, type ValueMap } from './template.functions.js';
import { TemplateRenderer } from './template.renderer.js';

/** One of Kubernetes' objects, and the template it came from. */
export interface Manifest {
  readonly source: string;
  readonly object: KubernetesObject;
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

export interface Release {
  readonly name: string;
  readonly namespace: string;
}

export const RELEASE: Release = { name: 'prod', namespace: 'gateways' };

/** Helm's reader of YAML goes by version 1.1: `off` without quotes is no text there. */
const YAML_OPTIONS = { version: '1.1', uniqueKeys: true } as const;

/** A chart as it lies on disk, rendered without Helm. */
export class Chart {
  readonly metadata: ValueMap;
  readonly values: ValueMap;
  readonly renderer: TemplateRenderer;
  private readonly templates: ReadonlyMap<string, string>;
  private readonly files: ReadonlyMap<string, string>;
  private readonly isValid;

  constructor(readonly folder: string) {
    const all = readFiles(folder);
    const isTemplate = (name: string): boolean => name.startsWith('templates/');
    this.templates = new Map([...all].filter(([name]) => isTemplate(name)));
    this.files = new Map([...all].filter(([name]) => !isTemplate(name)));
    this.metadata = parse(this.read('Chart.yaml'), YAML_OPTIONS) as ValueMap;
    this.values = parse(this.read('values.yaml'), YAML_OPTIONS) as ValueMap;
    this.isValid = new Ajv({ allErrors: true, strict: true, strictTypes: false }).compile(
      JSON.parse(this.read('values.schema.json')) as object,
    );
    this.renderer = new TemplateRenderer(this.templates);
  }

  read(name: string): string {
    const text = this.files.get(name);
    if (text === undefined) throw new Error(`the chart has no file ${name}`);
    return text;
  }

  /** The chart's values with `overrides` over them. Throws where values.schema.json refuses that. */
  merge(overrides: ValueMap): ValueMap {
    const values = mergeMaps(this.values, overrides);
    if (!this.isValid(values)) {
      throw new Error((this.isValid.errors ?? []).map((error) => `${error.instancePath}: ${error.message}`).join('\n'));
    }
    return values;
  }

  /** What `helm template` would print, template by template; `NOTES.txt` too. */
  renderTexts(overrides: ValueMap = {}, release: Release = RELEASE): Map<string, string> {
    const data: ValueMap = {
      Values: this.merge(overrides),
      Chart: Object.fromEntries(
        Object.entries(this.metadata).map(([name, value]) => [
          `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
          value,
        ]),
      ),
      Release: { Name: release.name, Namespace: release.namespace, Service: 'Helm' },
      Files: { Get: (name: Value = null) => this.read(toText(name)) },
    };
    const names = [...this.templates.keys()].filter((name) => !path.basename(name).startsWith('_'));
    return new Map(names.map((name) => [name, this.renderer.render(name, data)]));
  }

  render(overrides: ValueMap = {}, release: Release = RELEASE): Manifest[] {
    return [...this.renderTexts(overrides, release)]
      .filter(([source]) => source.endsWith('.yaml'))
      .flatMap(([source, text]) => parseManifests(source, text));
  }
}

function parseManifests(source: string, text: string): Manifest[] {
  return parseAllDocuments(text, YAML_OPTIONS).flatMap((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw new Error(`${source}: ${problem.message}\n${text}`);
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [{ source, object }];
  });
}

function readFiles(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  return new Map(
    files.map((file) => [path.relative(folder, file).split(path.sep).join('/'), readFileSync(file, 'utf8')]),
  );
}

/** As Helm lays values over values: maps key by key, null takes a key away, everything else is replaced. */
function mergeMaps(base: ValueMap, over: ValueMap): ValueMap {
  const merged: ValueMap = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const below = merged[name];
    if (value === null) delete merged[name];
    else merged[name] = isMap(value) && isMap(below) ? mergeMaps(below, value) : value;
  }
  return merged;
}
