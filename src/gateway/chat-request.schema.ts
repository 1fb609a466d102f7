import type { JSONSchemaType } from 'ajv';

/** Most messages a request may have. */
export const MAX_MESSAGES = 4_096;

const nullable = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });

// A part without a type, like an empty list of messages, is OpenAI's to refuse: its words are the better ones.
const contentPart = {
  type: 'object',
  properties: {
    type: { type: 'string', description: '`text`, `image_url`, `input_audio`, `file` or `refusal`.' },
    text: { type: 'string' },
    image_url: {
      type: 'object',
      required: ['url'],
      properties: { url: { type: 'string' }, detail: { type: 'string' } },
    },
    file: {
      type: 'object',
      properties: { file_id: { type: 'string' }, file_data: { type: 'string' }, filename: { type: 'string' } },
    },
  },
};

const toolCall = {
  type: 'object',
  required: ['id', 'type'],
  properties: {
    id: { type: 'string' },
    type: { type: 'string' },
    function: {
      type: 'object',
      required: ['name', 'arguments'],
      properties: { name: { type: 'string' }, arguments: { type: 'string' } },
    },
  },
};

const message = {
  type: 'object',
  required: ['role'],
  properties: {
    role: { enum: ['system', 'developer', 'user', 'assistant', 'tool', 'function'] },
    content: { anyOf: [{ type: 'string' }, { type: 'array', items: contentPart }, { type: 'null' }] },
    name: nullable({ type: 'string' }),
    tool_calls: nullable({ type: 'array', items: toolCall }),
    tool_call_id: nullable({ type: 'string' }),
    refusal: nullable({ type: 'string' }),
  },
};

const tool = {
  type: 'object',
  required: ['type'],
  properties: {
    type: { type: 'string' },
    function: {
      type: 'object',
      required: ['name'],
      properties: {
        name: { type: 'string' },
        description: nullable({ type: 'string' }),
        parameters: nullable({ type: 'object' }),
        strict: nullable({ type: 'boolean' }),
      },
    },
  },
};

const responseFormat = {
  type: 'object',
  required: ['type'],
  properties: {
    type: { type: 'string' },
    json_schema: {
      type: 'object',
      required: ['name'],
      properties: {
        name: { type: 'string' },
        description: nullable({ type: 'string' }),
        schema: nullable({ type: 'object' }),
        strict: nullable({ type: 'boolean' }),
      },
    },
  },
};

/**
 * What AEGIS reads of a chat request, as JSON Schema: compiled to check bodies and published in the OpenAPI document.
 * Fields it does not name are accepted and kept.
 */
export const CHAT_REQUEST_SCHEMA = {
  type: 'object',
  required: ['model', 'messages'],
  properties: {
    model: { type: 'string', minLength: 1, maxLength: 256, description: 'An alias from `GET /v1/models`.' },
    messages: { type: 'array', maxItems: MAX_MESSAGES, items: message },
    stream: nullable({ type: 'boolean' }),
    stream_options: nullable({ type: 'object', properties: { include_usage: nullable({ type: 'boolean' }) } }),
    max_tokens: nullable({ type: 'integer', minimum: 1 }),
    max_completion_tokens: nullable({ type: 'integer', minimum: 1 }),
    temperature: nullable({ type: 'number', minimum: 0, maximum: 2 }),
    top_p: nullable({ type: 'number', minimum: 0, maximum: 1 }),
    n: nullable({ type: 'integer', minimum: 1, maximum: 128 }),
    stop: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }, { type: 'null' }] },
    tools: nullable({ type: 'array', items: tool }),
    tool_choice: { anyOf: [{ type: 'string' }, { type: 'object', required: ['type'] }, { type: 'null' }] },
    parallel_tool_calls: nullable({ type: 'boolean' }),
    response_format: nullable(responseFormat),
    reasoning_effort: nullable({ type: 'string' }),
    user: nullable({ type: 'string' }),
  },
} as const satisfies Partial<JSONSchemaType<unknown>> & object;
