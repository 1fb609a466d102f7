import type { Histogram, Meter } from '@opentelemetry/api';
import { DURATION_BOUNDARIES, TOKEN_BOUNDARIES } from './conventions.js';

/**
 * The client metrics of the GenAI conventions.
 * Source: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-metrics.md
 */
export interface GenAiMetrics {
  readonly duration: Histogram;
  readonly tokens: Histogram;
  readonly timeToFirstChunk: Histogram;
  readonly timePerChunk: Histogram;
}

export function createGenAiMetrics(meter: Meter): GenAiMetrics {
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { description, unit: 's', advice: { explicitBucketBoundaries: DURATION_BOUNDARIES } });
  return {
    duration: seconds('gen_ai.client.operation.duration', 'GenAI operation duration.'),
    timeToFirstChunk: seconds('gen_ai.client.operation.time_to_first_chunk', 'Time to receive the first chunk.'),
    timePerChunk: seconds('gen_ai.client.operation.time_per_output_chunk', 'Time per output chunk.'),
    tokens: meter.createHistogram('gen_ai.client.token.usage', {
      description: 'Number of input and output tokens used.',
      unit: '{token}',
      advice: { explicitBucketBoundaries: TOKEN_BOUNDARIES },
    }),
  };
}
