import type { ChatCompletionRequest, ChatContentPart, ChatMessage, ChatResponseFormat } from '../../src/domain/chat.js';
import type { Target } from '../../src/domain/target.js';

/** A request in OpenAI's words and what must be in Anthropic's. */
export interface MatrixCase {
  readonly name: string;
  readonly model: string;
  readonly chat: Partial<ChatCompletionRequest>;
  readonly target?: Partial<Omit<Target, 'provider' | 'model'>>;
  /** What the body must hold, as `toMatchObject` reads it. */
  readonly holds: Record<string, unknown>;
  readonly lacks?: readonly string[];
}

export const OLD = 'claude-3-5-haiku-20241022';
export const BUDGET = 'claude-sonnet-4-20250514';
export const STRUCTURED = 'claude-sonnet-4-5-20250929';
export const ADAPTIVE = 'claude-opus-4-6';
export const FIXED = 'claude-opus-4-8';
export const UNASKED = 'claude-opus-5';
export const NEWEST = 'claude-opus-5-5';
export const ALIAS = 'house-model';

export const MODELS = [OLD, BUDGET, STRUCTURED, ADAPTIVE, FIXED, UNASKED, 'claude-sonnet-5-5', NEWEST, ALIAS];

export const JSON_TOOL = 'aegis_json_answer';
export const PIXEL = 'iVBORw0KGgo=';
export const mark = { type: 'ephemeral' as const };

export const user = (content: string | ChatContentPart[]): ChatMessage => ({ role: 'user', content });
export const text = (words: string): { type: 'text'; text: string } => ({ type: 'text', text: words });
export const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } };
export const pdf = { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERg==' } };
export const call = (
  id: string,
  args = '{"city":"Bern"}',
): { id: string; type: 'function'; function: { name: string; arguments: string } } => ({
  id,
  type: 'function',
  function: { name: 'look_up', arguments: args },
});
export const said = (fields: Partial<ChatMessage>): ChatMessage => ({ role: 'assistant', content: null, ...fields });
export const result = (id: string, content: ChatMessage['content'] = 'Rain'): ChatMessage => ({
  role: 'tool',
  tool_call_id: id,
  content,
});
export const lookUp = {
  type: 'function',
  function: {
    name: 'look_up',
    description: 'Looks up a city. '.repeat(200),
    parameters: { type: 'object' as const, properties: { city: { type: 'string', minLength: 2 } }, required: ['city'] },
  },
};
export const now = { type: 'function', function: { name: 'now' } };
export const strict = { ...lookUp, function: { ...lookUp.function, strict: true } };
export const named = { type: 'function', function: { name: 'look_up' } };
export const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 } },
  required: ['name', 'age'],
};
export const inSchema = (schema: object, more: object = {}): ChatResponseFormat =>
  ({
    type: 'json_schema',
    json_schema: { name: 'answer', schema, strict: true, ...more },
  }) as ChatResponseFormat;
export const inJson = { type: 'json_object' };
export const round = [user('Weather?'), said({ tool_calls: [call('a')] }), result('a')];
export const signed = [
  { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
  { type: 'redacted_thinking', data: 'ZGF0YQ==' },
];
export const tree = {
  type: 'object',
  properties: { node: { $ref: '#/$defs/node' } },
  required: ['node'],
  $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
};
