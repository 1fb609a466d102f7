/**
 * What OpenTelemetry's semantic conventions v1.41.1 allow, written from their text:
 * https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-spans.md (Inference)
 * https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-metrics.md
 * https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/http/http-spans.md (HTTP server)
 */
import type { Attributes, AttributeValue, ReceivedPoint, ReceivedSpan } from './otlp.js';

type ValueType = 'string' | 'int' | 'double' | 'boolean' | 'string[]';
interface Rule {
  readonly type: ValueType;
  readonly required?: boolean;
  /** The conventions' own list, where it is closed for what AEGIS does. */
  readonly oneOf?: readonly string[];
}
type Rules = Readonly<Record<string, Rule>>;

/** Well-known values, and those AEGIS adds for what they have no word for. */
const PROVIDER_NAMES = ['openai', 'anthropic', 'azure.ai.openai', 'vllm', 'openai_compatible', 'simulator'];

const SERVER: Rules = { 'server.address': { type: 'string' }, 'server.port': { type: 'int' } };

const INFERENCE_SPAN: Rules = {
  'gen_ai.operation.name': { type: 'string', required: true, oneOf: ['chat'] },
  'gen_ai.provider.name': { type: 'string', required: true, oneOf: PROVIDER_NAMES },
  'error.type': { type: 'string' },
  'gen_ai.output.type': { type: 'string', oneOf: ['text', 'json', 'image', 'speech'] },
  'gen_ai.request.choice.count': { type: 'int' },
  'gen_ai.request.model': { type: 'string', required: true },
  'gen_ai.request.seed': { type: 'int' },
  'gen_ai.request.stream': { type: 'boolean' },
  ...SERVER,
  'gen_ai.request.frequency_penalty': { type: 'double' },
  'gen_ai.request.max_tokens': { type: 'int' },
  'gen_ai.request.presence_penalty': { type: 'double' },
  'gen_ai.request.temperature': { type: 'double' },
  'gen_ai.request.top_p': { type: 'double' },
  'gen_ai.response.finish_reasons': { type: 'string[]' },
  'gen_ai.response.id': { type: 'string' },
  'gen_ai.response.model': { type: 'string' },
  'gen_ai.response.time_to_first_chunk': { type: 'double' },
  'gen_ai.usage.cache_creation.input_tokens': { type: 'int' },
  'gen_ai.usage.cache_read.input_tokens': { type: 'int' },
  'gen_ai.usage.input_tokens': { type: 'int' },
  'gen_ai.usage.output_tokens': { type: 'int' },
  'gen_ai.usage.reasoning.output_tokens': { type: 'int' },
};

const HTTP_SERVER_SPAN: Rules = {
  'http.request.method': { type: 'string', required: true },
  'url.path': { type: 'string', required: true },
  'url.scheme': { type: 'string', required: true, oneOf: ['http', 'https'] },
  'http.route': { type: 'string', required: true },
  'http.response.status_code': { type: 'int', required: true },
  'error.type': { type: 'string' },
};

const METRIC_ATTRIBUTES: Rules = {
  'gen_ai.operation.name': { type: 'string', required: true, oneOf: ['chat'] },
  'gen_ai.provider.name': { type: 'string', required: true, oneOf: PROVIDER_NAMES },
  'gen_ai.request.model': { type: 'string', required: true },
  'gen_ai.response.model': { type: 'string' },
  ...SERVER,
};

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS = Array.from({ length: 14 }, (_, power) => 4 ** power);

export const GEN_AI_METRICS: Readonly<
  Record<string, { readonly unit: string; readonly boundaries: readonly number[]; readonly attributes: Rules }>
> = {
  'gen_ai.client.operation.duration': {
    unit: 's',
    boundaries: SECONDS,
    attributes: { ...METRIC_ATTRIBUTES, 'error.type': { type: 'string' } },
  },
  'gen_ai.client.operation.time_to_first_chunk': { unit: 's', boundaries: SECONDS, attributes: METRIC_ATTRIBUTES },
  'gen_ai.client.operation.time_per_output_chunk': { unit: 's', boundaries: SECONDS, attributes: METRIC_ATTRIBUTES },
  'gen_ai.client.token.usage': {
    unit: '{token}',
    boundaries: TOKENS,
    attributes: {
      ...METRIC_ATTRIBUTES,
      'gen_ai.token.type': { type: 'string', required: true, oneOf: ['input', 'output'] },
    },
  },
};

/** What is wrong with a span by the conventions; empty where nothing is. Attributes of AEGIS's own begin with `aegis.`. */
export function findSpanProblems(span: ReceivedSpan): readonly string[] {
  const { kind, name, attributes, isError } = span;
  const problems = [...findAttributeProblems(attributes, kind === 'server' ? HTTP_SERVER_SPAN : INFERENCE_SPAN)];
  const expected =
    kind === 'server'
      ? `${attributes['http.request.method']} ${attributes['http.route']}`
      : `${attributes['gen_ai.operation.name']} ${attributes['gen_ai.request.model']}`;
  if (name !== expected) problems.push(`is named "${name}" instead of "${expected}"`);
  if (isError !== 'error.type' in attributes) problems.push('has an error status without error.type, or the other way');
  if ('server.address' in attributes && !('server.port' in attributes)) problems.push('has an address and no port');
  return problems;
}

export function findPointProblems({ metric, unit, type, attributes, boundaries }: ReceivedPoint): readonly string[] {
  const known = GEN_AI_METRICS[metric];
  if (!known) return [`${metric} is no metric of the conventions`];
  const problems = [...findAttributeProblems(attributes, known.attributes)];
  if (unit !== known.unit) problems.push(`${metric} has the unit ${unit}`);
  if (type !== 'histogram') problems.push(`${metric} is no histogram`);
  if (JSON.stringify(boundaries) !== JSON.stringify(known.boundaries)) problems.push(`${metric} has other boundaries`);
  return problems;
}

function* findAttributeProblems(attributes: Attributes, rules: Rules): Generator<string> {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('aegis.')) continue;
    const rule = rules[name];
    if (!rule) yield `${name} is no attribute of the conventions here`;
    else if (!isOfType(value, rule.type)) yield `${name} is no ${rule.type}: ${JSON.stringify(value)}`;
    else if (rule.oneOf && !rule.oneOf.includes(String(value))) yield `${name} may not be ${JSON.stringify(value)}`;
  }
  for (const [name, { required }] of Object.entries(rules)) {
    if (required && !(name in attributes)) yield `${name} is missing`;
  }
}

function isOfType(value: AttributeValue, type: ValueType): boolean {
  switch (type) {
    case 'string':
    case 'boolean':
      return typeof value === type;
    case 'int':
      return Number.isInteger(value);
    case 'double':
      return typeof value === 'number';
    case 'string[]':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    default:
      return type satisfies never;
  }
}
