import path from 'node:path';
import { Ajv } from 'ajv';
import ts from 'typescript';
import type { Manifest } from './chart.js';

/** Where the types of an API group are in the package kubernetes-types, which is made of Kubernetes' own OpenAPI document. */
const MODULES: Readonly<Record<string, string>> = {
  v1: 'kubernetes-types/core/v1.js',
  'apps/v1': 'kubernetes-types/apps/v1.js',
  'autoscaling/v2': 'kubernetes-types/autoscaling/v2.js',
  'batch/v1': 'kubernetes-types/batch/v1.js',
  'networking.k8s.io/v1': 'kubernetes-types/networking/v1.js',
  'policy/v1': 'kubernetes-types/policy/v1.js',
};

/** Not in it: every list of environment variables, ports and so on is a merge by this key, and may name each only once. */
const KEYS_OF_LISTS = { env: 'name', ports: 'name', volumes: 'name', volumeMounts: 'mountPath', containers: 'name' };

const text = { type: 'string', minLength: 1 } as const;
const texts = { type: 'object', additionalProperties: { type: 'string' } } as const;
const closed = (properties: object, required: readonly string[] = []): object => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});
const operatorObject = (kind: string, spec: object): object =>
  closed(
    {
      apiVersion: { const: 'monitoring.coreos.com/v1' },
      kind: { const: kind },
      metadata: closed({ name: text, labels: texts, annotations: texts }, ['name']),
      spec,
    },
    ['apiVersion', 'kind', 'metadata', 'spec'],
  );

/** The Prometheus Operator's, as far as they are used here; by its API reference. */
const OPERATOR_SCHEMAS: Readonly<Record<string, object>> = {
  ServiceMonitor: operatorObject(
    'ServiceMonitor',
    closed(
      {
        namespaceSelector: closed({ matchNames: { type: 'array', items: text }, any: { type: 'boolean' } }),
        selector: closed({ matchLabels: texts }, ['matchLabels']),
        endpoints: {
          type: 'array',
          minItems: 1,
          items: closed({
            port: text,
            path: text,
            interval: { type: 'string', pattern: '^\\d+(ms|s|m|h)$' },
            authorization: closed({ type: text, credentials: closed({ name: text, key: text }, ['name', 'key']) }),
            relabelings: {
              type: 'array',
              items: closed({ action: { enum: ['replace', 'keep', 'drop'] }, targetLabel: text, replacement: text }),
            },
          }),
        },
      },
      ['selector', 'endpoints'],
    ),
  ),
  PrometheusRule: operatorObject(
    'PrometheusRule',
    closed(
      {
        groups: {
          type: 'array',
          minItems: 1,
          items: closed(
            {
              name: text,
              interval: text,
              rules: {
                type: 'array',
                items: closed({ alert: text, record: text, expr: text, for: text, labels: texts, annotations: texts }, [
                  'expr',
                ]),
              },
            },
            ['name', 'rules'],
          ),
        },
      },
      ['groups'],
    ),
  ),
};

/** What the API server would refuse, or drop without a word: unknown and missing fields, and values of a wrong type. */
export function findSchemaProblems(manifests: readonly Manifest[]): string[] {
  const isOperators = ({ object }: Manifest): boolean => object.apiVersion === 'monitoring.coreos.com/v1';
  return [
    ...findTypeProblems(manifests.filter((manifest) => !isOperators(manifest))),
    ...manifests.filter(isOperators).flatMap(findOperatorProblems),
    ...manifests.flatMap(({ source, object }) => findValueProblems(source, object)),
  ];
}

function findOperatorProblems({ source, object }: Manifest): string[] {
  const schema = OPERATOR_SCHEMAS[object.kind];
  if (schema === undefined) return [`${source}: the kind ${object.kind} is not known here`];
  const ajv = new Ajv({ allErrors: true });
  return ajv.validate(schema, object)
    ? []
    : (ajv.errors ?? []).map((error) => `${source}: ${error.instancePath} ${error.message}`);
}

/** The objects become TypeScript, and the compiler says what their types say of them. */
function findTypeProblems(manifests: readonly Manifest[]): string[] {
  const unknown = manifests.filter(({ object }) => MODULES[object.apiVersion] === undefined);
  if (unknown.length > 0)
    return unknown.map(({ source, object }) => `${source}: ${object.apiVersion} is not known here`);
  const source = manifests
    .map(({ object }, index) => {
      const type = `import('${MODULES[object.apiVersion]}').${object.kind}`;
      return `export const object${index}: Required<Pick<${type}, 'apiVersion' | 'kind'>> & ${type} = ${JSON.stringify(object, null, 1)};\n`;
    })
    .join('');
  // In the project's root, from where packages are found.
  const fileName = path.join(process.cwd(), 'rendered-chart.ts');
  const options: ts.CompilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    lib: ['lib.es2022.d.ts'],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const readSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) =>
    name === fileName ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022) : readSourceFile(name, ...rest);
  const program = ts.createProgram([fileName], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start = 0 }) => {
    const index = (source.slice(0, start).match(/^export const object/gm)?.length ?? 1) - 1;
    const line = source.slice(source.lastIndexOf('\n', start) + 1).split('\n', 1)[0];
    return `${manifests[index]?.source}: ${line?.trim().slice(0, 80)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

/** What types cannot say: whole numbers, no nulls, no name twice in a list that is merged by names. */
function findValueProblems(place: string, value: unknown): string[] {
  if (value === null) return [`${place}: is null`];
  if (typeof value === 'number') return Number.isInteger(value) ? [] : [`${place}: ${value} is no whole number`];
  if (Array.isArray(value)) return value.flatMap((item, index) => findValueProblems(`${place}[${index}]`, item));
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const key = Object.hasOwn(KEYS_OF_LISTS, name) ? KEYS_OF_LISTS[name as keyof typeof KEYS_OF_LISTS] : undefined;
    return [
      ...findValueProblems(`${place}.${name}`, inner),
      ...(key !== undefined && Array.isArray(inner) ? findTwins(`${place}.${name}`, key, inner) : []),
    ];
  });
}

function findTwins(place: string, key: string, items: readonly Readonly<Record<string, unknown>>[]): string[] {
  const names = items.map((item) => item[key]).filter((name) => name !== undefined);
  return names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${place}: ${name} stands twice`);
}
