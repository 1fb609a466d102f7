import { CLASSIFICATIONS } from '../domain/classification.js';
import { REJECTION_REASONS } from '../domain/decision.js';
import { STRATEGY_NAMES } from '../domain/routing-strategy.js';

const text = { type: 'string' } as const;
const level = { type: 'string', enum: [...CLASSIFICATIONS] };
const nullable = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });

const target = {
  type: 'object',
  required: ['id', 'provider', 'model', 'role', 'classification_ceiling', 'eligible', 'reason'],
  properties: {
    id: text,
    provider: text,
    model: text,
    deployment: text,
    role: { type: 'string', enum: ['primary', 'fallback'] },
    classification_ceiling: level,
    eligible: { type: 'boolean' },
    reason: nullable({ type: 'string', enum: [...REJECTION_REASONS] }),
    retry_after_ms: { type: 'integer', description: 'When the reason may be gone.' },
    cannot_express: { type: 'string', description: 'What of the request this provider has no words for.' },
  },
};

/** The answer to a request with `X-Aegis-Explain`, as JSON Schema for the OpenAPI document. */
export const ROUTING_DECISION_SCHEMA = {
  type: 'object',
  required: [
    ...['object', 'request_id', 'model', 'level', 'key', 'raised_by'],
    ...['strategy', 'eligible', 'targets', 'outcome', 'error'],
  ],
  properties: {
    object: { type: 'string', enum: ['aegis.routing_decision'] },
    request_id: text,
    model: text,
    level,
    key: {
      type: 'object',
      required: ['prefix', 'default_classification', 'max_classification'],
      properties: { prefix: text, default_classification: level, max_classification: level },
    },
    raised_by: nullable({
      type: 'object',
      required: ['header', 'rules'],
      properties: { header: { type: 'boolean' }, rules: { type: 'array', items: text } },
    }),
    strategy: { type: 'string', enum: [...STRATEGY_NAMES] },
    eligible: { type: 'array', items: text, description: 'Ids of the targets that would be asked, in order.' },
    targets: { type: 'array', items: target },
    outcome: { type: 'string', description: '`would_call`, `would_wait`, or the code of the error there would be.' },
    error: nullable({
      type: 'object',
      required: ['status', 'type', 'code', 'message', 'param'],
      properties: {
        status: { type: 'integer' },
        type: text,
        code: nullable(text),
        message: text,
        param: nullable(text),
      },
    }),
  },
};
