import { type Attributes, type Span, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { ChatCompletionRequest } from '../../domain/chat.js';
import type { Target } from '../../domain/target.js';
import type { TraceHeaders } from '../../domain/trace-context.js';
import type { AttemptTrace, AttemptTraceEnd } from '../../domain/tracing.js';
import { MAX_ATTRIBUTE_CHARACTERS, OPERATION, providerNameOf, serverAddressOf } from './conventions.js';
import type { GenAiMetrics } from './genai-metrics.js';

/** What a request says about itself in numbers: nothing else of it goes into a span. */
const REQUEST_NUMBERS = [
  ['gen_ai.request.temperature', 'temperature'],
  ['gen_ai.request.top_p', 'top_p'],
  ['gen_ai.request.frequency_penalty', 'frequency_penalty'],
  ['gen_ai.request.presence_penalty', 'presence_penalty'],
  ['gen_ai.request.seed', 'seed'],
] as const;

/** Known as the attempt begins. */
export function buildAttemptAttributes(target: Target, chat: ChatCompletionRequest): Attributes {
  const attributes: Attributes = { ...commonAttributes(target), 'aegis.provider': target.provider.name };
  for (const [name, member] of REQUEST_NUMBERS) {
    const value = chat[member];
    if (typeof value === 'number') attributes[name] = value;
  }
  const maxTokens = chat.max_completion_tokens ?? chat.max_tokens;
  if (typeof maxTokens === 'number') attributes['gen_ai.request.max_tokens'] = maxTokens;
  if (typeof chat.n === 'number' && chat.n !== 1) attributes['gen_ai.request.choice.count'] = chat.n;
  if (chat.stream === true) attributes['gen_ai.request.stream'] = true;
  const format = chat.response_format?.type;
  if (format === 'text') attributes['gen_ai.output.type'] = 'text';
  if (format === 'json_object' || format === 'json_schema') attributes['gen_ai.output.type'] = 'json';
  return attributes;
}

function commonAttributes({ provider, model }: Target): Attributes {
  return {
    'gen_ai.operation.name': OPERATION,
    'gen_ai.provider.name': providerNameOf(provider),
    'gen_ai.request.model': model,
    ...serverAddressOf(provider),
  };
}

/** The GenAI client span of one try, and the metrics that are measured along it. */
export class OtelAttempt implements AttemptTrace {
  readonly headers: TraceHeaders;
  private readonly common: Attributes;

  constructor(
    private readonly span: Span,
    target: Target,
    private readonly metrics: GenAiMetrics,
  ) {
    this.common = commonAttributes(target);
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    const sampled = (traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED ? '01' : '00';
    const state = traceState?.serialize() ?? '';
    this.headers = {
      traceparent: `00-${traceId}-${spanId}-${sampled}`,
      ...(state !== '' && { tracestate: state }),
    };
  }

  firstChunk(afterMs: number): void {
    this.span.setAttribute('gen_ai.response.time_to_first_chunk', afterMs / 1000);
    this.metrics.timeToFirstChunk.record(afterMs / 1000, this.common);
  }

  nextChunk(afterMs: number): void {
    this.metrics.timePerChunk.record(afterMs / 1000, this.common);
  }

  end(end: AttemptTraceEnd): void {
    const { usage, origin, finishReasons } = end;
    const errorType = errorTypeOf(end);
    const answeredBy: Attributes = origin?.model
      ? { 'gen_ai.response.model': origin.model.slice(0, MAX_ATTRIBUTE_CHARACTERS) }
      : {};
    const error: Attributes = errorType === null ? {} : { 'error.type': errorType };
    this.span.setAttributes({
      ...answeredBy,
      ...error,
      'aegis.outcome': end.outcome,
      ...(origin?.id && { 'gen_ai.response.id': origin.id }),
      ...(finishReasons.length > 0 && { 'gen_ai.response.finish_reasons': [...finishReasons] }),
      ...(usage && {
        'gen_ai.usage.input_tokens': usage.promptTokens,
        'gen_ai.usage.output_tokens': usage.completionTokens,
        'gen_ai.usage.cache_read.input_tokens': usage.cachedPromptTokens,
        'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens,
        'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
      }),
    });
    if (errorType !== null) this.span.setStatus({ code: SpanStatusCode.ERROR });
    this.span.end();

    const labels = { ...this.common, ...answeredBy };
    this.metrics.duration.record(end.durationMs / 1000, { ...labels, ...error });
    if (!usage) return;
    this.metrics.tokens.record(usage.promptTokens, { ...labels, 'gen_ai.token.type': 'input' });
    this.metrics.tokens.record(usage.completionTokens, { ...labels, 'gen_ai.token.type': 'output' });
  }
}

/** The upstream's HTTP status where it answered with an error, else the way the attempt ended; null where it succeeded. */
function errorTypeOf({ outcome, status }: AttemptTraceEnd): string | null {
  if (outcome === 'success') return null;
  return status !== null && status >= 400 ? String(status) : outcome;
}
