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

const JSON_TOOL = 'aegis_json_answer';
const PIXEL = 'iVBORw0KGgo=';
const mark = { type: 'ephemeral' as const };

export const user = (content: string | ChatContentPart[]): ChatMessage => ({ role: 'user', content });
const text = (words: string): { type: 'text'; text: string } => ({ type: 'text', text: words });
const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } };
const pdf = { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERg==' } };
const call = (
  id: string,
  args = '{"city":"Bern"}',
): { id: string; type: 'function'; function: { name: string; arguments: string } } => ({
  id,
  type: 'function',
  function: { name: 'look_up', arguments: args },
});
const said = (fields: Partial<ChatMessage>): ChatMessage => ({ role: 'assistant', content: null, ...fields });
const result = (id: string, content: ChatMessage['content'] = 'Rain'): ChatMessage => ({
  role: 'tool',
  tool_call_id: id,
  content,
});
const lookUp = {
  type: 'function',
  function: {
    name: 'look_up',
    description: 'Looks up a city. '.repeat(200),
    parameters: { type: 'object' as const, properties: { city: { type: 'string', minLength: 2 } }, required: ['city'] },
  },
};
const now = { type: 'function', function: { name: 'now' } };
const strict = { ...lookUp, function: { ...lookUp.function, strict: true } };
const named = { type: 'function', function: { name: 'look_up' } };
const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 } },
  required: ['name', 'age'],
};
const inSchema = (schema: object, more: object = {}): ChatResponseFormat =>
  ({
    type: 'json_schema',
    json_schema: { name: 'answer', schema, strict: true, ...more },
  }) as ChatResponseFormat;
const inJson = { type: 'json_object' };
const round = [user('Weather?'), said({ tool_calls: [call('a')] }), result('a')];
const signed = [
  { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
  { type: 'redacted_thinking', data: 'ZGF0YQ==' },
];
const tree = {
  type: 'object',
  properties: { node: { $ref: '#/$defs/node' } },
  required: ['node'],
  $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
};

export const MATRIX: readonly MatrixCase[] = [
  {
    name: 'a plain question',
    model: STRUCTURED,
    chat: { messages: [user('Hi')] },
    holds: { model: STRUCTURED, max_tokens: 4096, messages: [{ role: 'user', content: [text('Hi')] }] },
    lacks: ['system', 'tools', 'thinking', 'stream'],
  },
  {
    name: 'all system and developer messages, in order',
    model: OLD,
    chat: {
      messages: [
        { role: 'system', content: '1' },
        user('a'),
        { role: 'developer', content: [text('2'), text('3')] },
        user('b'),
        { role: 'system', content: '4' },
      ],
    },
    holds: {
      system: [text('1'), text('2'), text('3'), text('4')],
      messages: [{ role: 'user', content: [text('a'), text('b')] }],
    },
  },
  {
    name: 'text in parts',
    model: BUDGET,
    chat: { messages: [user([text('a'), text('b')])] },
    holds: { messages: [{ content: [text('a'), text('b')] }] },
  },
  {
    name: 'an image by URL',
    model: STRUCTURED,
    chat: { messages: [user([{ type: 'image_url', image_url: { url: 'https://images.test/a.png', detail: 'low' } }])] },
    holds: { messages: [{ content: [{ type: 'image', source: { type: 'url', url: 'https://images.test/a.png' } }] }] },
  },
  {
    name: 'an image by data',
    model: OLD,
    chat: { messages: [user([image, text('?')])] },
    holds: {
      messages: [
        { content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } }, text('?')] },
      ],
    },
  },
  {
    name: 'a PDF',
    model: STRUCTURED,
    chat: { messages: [user([pdf, text('?')])] },
    holds: {
      messages: [
        {
          content: [
            { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf' } },
            text('?'),
          ],
        },
      ],
    },
  },
  {
    name: 'a text file',
    model: ADAPTIVE,
    chat: { messages: [user([{ type: 'file', file: { file_data: 'data:text/csv;base64,YSxi' } }])] },
    holds: {
      messages: [{ content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a,b' } }] }],
    },
  },
  {
    name: 'a tool round',
    model: STRUCTURED,
    chat: { messages: round, tools: [lookUp] },
    holds: {
      messages: [
        {},
        { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'look_up', input: { city: 'Bern' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'Rain' }] },
      ],
      tools: [{ name: 'look_up', description: lookUp.function.description, input_schema: lookUp.function.parameters }],
    },
  },
  {
    name: 'several tool results in one user turn, before what the user says',
    model: OLD,
    chat: {
      tools: [lookUp],
      messages: [
        user('?'),
        said({ content: 'Well,', tool_calls: [call('a'), call('b', '')] }),
        result('a'),
        result('b', null),
        user('So?'),
      ],
    },
    holds: {
      messages: [
        {},
        { content: [text('Well,'), { id: 'a' }, { id: 'b', input: {} }] },
        { content: [{ tool_use_id: 'a' }, { tool_use_id: 'b' }, text('So?')] },
      ],
    },
  },
  {
    name: 'a tool result of image, document and text',
    model: STRUCTURED,
    chat: { tools: [lookUp], messages: [...round.slice(0, 2), result('a', [text('See'), image, pdf])] },
    holds: {
      messages: [
        {},
        {},
        { content: [{ type: 'tool_result', content: [text('See'), { type: 'image' }, { type: 'document' }] }] },
      ],
    },
  },
  {
    name: 'an empty tool result',
    model: FIXED,
    chat: { tools: [lookUp], messages: [...round.slice(0, 2), result('a', '')] },
    holds: { messages: [{}, {}, { content: [{ type: 'tool_result', tool_use_id: 'a' }] }] },
  },
  {
    name: "ids that another provider's server made up, and used twice",
    model: STRUCTURED,
    chat: {
      tools: [lookUp],
      messages: [
        user('?'),
        said({ tool_calls: [call('functions.look_up:0')] }),
        result('functions.look_up:0'),
        said({ tool_calls: [call('functions.look_up:0')] }),
        result('functions.look_up:0'),
      ],
    },
    holds: {
      messages: [
        {},
        { content: [{ id: 'functions_look_up_0' }] },
        { content: [{ tool_use_id: 'functions_look_up_0' }] },
        { content: [{ id: 'functions_look_up_0_2' }] },
        { content: [{ tool_use_id: 'functions_look_up_0_2' }] },
      ],
    },
  },
  {
    name: 'a conversation of tools that are no longer offered',
    model: BUDGET,
    chat: { messages: [...round, said({ content: 'Rain.' }), user('Thanks')] },
    holds: { tools: [{ name: 'look_up' }], tool_choice: { type: 'none' } },
  },
  {
    name: 'a result that comes after what the user says',
    model: STRUCTURED,
    chat: { tools: [lookUp], messages: [user('?'), said({ tool_calls: [call('a')] }), user('Wait'), result('a')] },
    holds: { messages: [{}, {}, { content: [{ type: 'tool_result' }, text('Wait')] }] },
  },
  {
    name: 'a strict tool on a model that is strict',
    model: STRUCTURED,
    chat: { tools: [strict, now] },
    holds: {
      tools: [
        {
          strict: true,
          input_schema: {
            properties: { city: { type: 'string', description: 'Must be: at least 2 characters.' } },
            additionalProperties: false,
          },
        },
        { name: 'now', input_schema: { type: 'object', properties: {} } },
      ],
    },
  },
  {
    name: 'a strict tool on a model that is not',
    model: BUDGET,
    chat: { tools: [strict] },
    holds: { tools: [{ name: 'look_up', input_schema: lookUp.function.parameters }] },
  },
  {
    name: 'a strict tool with an open map',
    model: FIXED,
    chat: {
      tools: [
        {
          type: 'function',
          function: {
            name: 'save',
            strict: true,
            parameters: {
              type: 'object',
              properties: { tags: { type: 'object', additionalProperties: { type: 'string' } } },
            },
          },
        },
      ],
    },
    holds: {
      tools: [{ name: 'save', input_schema: { properties: { tags: { additionalProperties: { type: 'string' } } } } }],
    },
  },
  {
    name: 'tool_choice none',
    model: OLD,
    chat: { tools: [lookUp], tool_choice: 'none' },
    holds: { tool_choice: { type: 'none' } },
  },
  {
    name: 'tool_choice auto, one at a time',
    model: NEWEST,
    chat: { tools: [lookUp], tool_choice: 'auto', parallel_tool_calls: false },
    holds: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
  },
  {
    name: 'tool_choice required',
    model: UNASKED,
    chat: { tools: [lookUp], tool_choice: 'required' },
    holds: { tool_choice: { type: 'any' } },
  },
  {
    name: 'a named tool, one at a time',
    model: STRUCTURED,
    chat: { tools: [lookUp, now], tool_choice: named, parallel_tool_calls: false },
    holds: {
      tool_choice: { type: 'tool', name: 'look_up', disable_parallel_tool_use: true },
      tools: [{ name: 'look_up' }, { name: 'now' }],
    },
  },
  {
    name: 'allowed tools',
    model: STRUCTURED,
    chat: {
      tools: [lookUp, now],
      tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [named] } },
    },
    holds: { tool_choice: { type: 'any' }, tools: [{ name: 'look_up' }] },
  },
  {
    name: 'json_schema where the model knows formats',
    model: STRUCTURED,
    chat: { response_format: inSchema(person) },
    holds: {
      output_config: {
        format: {
          type: 'json_schema',
          schema: {
            properties: { age: { type: 'integer', description: 'Must be: at least 0.' } },
            additionalProperties: false,
          },
        },
      },
    },
    lacks: ['tools'],
  },
  {
    name: 'json_schema beside tools and a forced choice',
    model: ADAPTIVE,
    chat: { response_format: inSchema(person), tools: [lookUp], tool_choice: 'required' },
    holds: {
      output_config: { format: { type: 'json_schema' } },
      tool_choice: { type: 'any' },
      tools: [{ name: 'look_up' }],
    },
  },
  {
    name: 'json_schema with thinking',
    model: NEWEST,
    chat: { response_format: inSchema(person), reasoning_effort: 'high' },
    holds: {
      output_config: { format: { type: 'json_schema' }, effort: 'high' },
      thinking: { type: 'adaptive', display: 'summarized' },
    },
  },
  {
    name: 'json_schema on an older model',
    model: BUDGET,
    chat: { response_format: inSchema(person, { description: 'A person' }) },
    holds: {
      tools: [{ name: JSON_TOOL, input_schema: person }],
      tool_choice: { type: 'tool', name: JSON_TOOL, disable_parallel_tool_use: true },
    },
    lacks: ['output_config'],
  },
  {
    name: 'json_schema with recursion',
    model: STRUCTURED,
    chat: { response_format: inSchema(tree) },
    holds: { tools: [{ name: JSON_TOOL, input_schema: tree }], tool_choice: { type: 'tool' } },
    lacks: ['output_config'],
  },
  {
    name: 'json_schema whose root is a reference',
    model: OLD,
    chat: { response_format: inSchema({ $ref: '#/definitions/p', definitions: { p: person } }) },
    holds: { tools: [{ name: JSON_TOOL, input_schema: person }] },
  },
  {
    name: 'json_object',
    model: STRUCTURED,
    chat: { response_format: inJson },
    holds: {
      tools: [{ name: JSON_TOOL, input_schema: { type: 'object' } }],
      tool_choice: { type: 'tool', name: JSON_TOOL },
    },
  },
  {
    name: 'json_object beside tools',
    model: OLD,
    chat: { response_format: inJson, tools: [lookUp] },
    holds: {
      tools: [{ name: 'look_up' }, { name: JSON_TOOL }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
    },
  },
  {
    name: 'json_object beside tools that may not be called',
    model: OLD,
    chat: { response_format: inJson, tools: [lookUp], tool_choice: 'none' },
    holds: { tools: [{ name: JSON_TOOL }], tool_choice: { type: 'tool', name: JSON_TOOL } },
  },
  {
    name: 'json_object beside a tool that must be called',
    model: OLD,
    chat: { response_format: inJson, tools: [lookUp], tool_choice: named },
    holds: { tools: [{ name: 'look_up' }], tool_choice: { type: 'tool', name: 'look_up' } },
  },
  {
    name: 'json_object with a budget to think',
    model: BUDGET,
    chat: {
      response_format: inJson,
      reasoning_effort: 'low',
      messages: [{ role: 'system', content: 'Be brief.' }, user('?')],
    },
    holds: {
      thinking: { type: 'enabled', budget_tokens: 2048 },
      tools: [{ name: JSON_TOOL }],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      system: [text('Be brief.'), { text: expect.stringContaining(JSON_TOOL) }],
    },
  },
  {
    name: 'json_object where no tool can be forced',
    model: NEWEST,
    chat: { response_format: inJson },
    holds: {
      tools: [{ name: JSON_TOOL }],
      tool_choice: { type: 'auto' },
      system: [{ text: expect.stringContaining(JSON_TOOL) }],
    },
  },
  {
    name: 'json_object under an alias',
    model: ALIAS,
    chat: { response_format: inJson },
    holds: { tool_choice: { type: 'auto' }, system: [{ text: expect.stringContaining(JSON_TOOL) }] },
  },
  {
    name: 'stop as a text, the newer limit',
    model: OLD,
    chat: { stop: 'END', max_completion_tokens: 50 },
    holds: { stop_sequences: ['END'], max_tokens: 50 },
  },
  {
    name: 'stop as a list, the older limit',
    model: NEWEST,
    chat: { stop: ['a', ' b\n'], max_tokens: 60 },
    holds: { stop_sequences: ['a', ' b\n'], max_tokens: 60 },
  },
  {
    name: 'a limit above what the target allows',
    model: OLD,
    chat: { max_tokens: 9000 },
    target: { maxOutputTokens: 4000 },
    holds: { max_tokens: 4000 },
  },
  {
    name: 'no limit on a model that thinks unasked',
    model: UNASKED,
    chat: {},
    holds: { max_tokens: 4096 + 16_384 },
    lacks: ['thinking'],
  },
  {
    name: 'temperature, top_p and top_k',
    model: BUDGET,
    chat: { temperature: 0, top_p: 0.9, top_k: 40 },
    holds: { temperature: 0, top_p: 0.9, top_k: 40 },
  },
  {
    name: 'temperature beside a top_p that says nothing',
    model: STRUCTURED,
    chat: { temperature: 0.4, top_p: 1 },
    holds: { temperature: 0.4 },
    lacks: ['top_p'],
  },
  {
    name: 'top_p beside a temperature that says nothing',
    model: ADAPTIVE,
    chat: { temperature: 1, top_p: 0.5 },
    holds: { top_p: 0.5 },
    lacks: ['temperature'],
  },
  {
    name: 'sampling as it is anyway',
    model: NEWEST,
    chat: { temperature: 1, top_p: 1 },
    holds: {},
    lacks: ['temperature', 'top_p'],
  },
  {
    name: 'a budget within the limit',
    model: STRUCTURED,
    chat: { reasoning_effort: 'high', max_completion_tokens: 4000, temperature: 1, top_p: 0.95 },
    holds: { thinking: { type: 'enabled', budget_tokens: 2000 }, max_tokens: 4000 },
  },
  {
    name: 'the largest budget without a limit',
    model: 'claude-opus-4-1-20250805',
    chat: { reasoning_effort: 'xhigh' },
    holds: { thinking: { budget_tokens: 24_576 }, max_tokens: 28_672 },
  },
  {
    name: 'an effort',
    model: ADAPTIVE,
    chat: { reasoning_effort: 'xhigh' },
    holds: { thinking: { type: 'adaptive' }, output_config: { effort: 'max' }, max_tokens: 28_672 },
  },
  {
    name: 'an effort between high and max',
    model: FIXED,
    chat: { reasoning_effort: 'xhigh', tools: [lookUp] },
    holds: { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'xhigh' } },
  },
  {
    name: 'no thinking where that must be said',
    model: UNASKED,
    chat: { reasoning_effort: 'none' },
    holds: { thinking: { type: 'disabled' }, max_tokens: 4096 },
  },
  {
    name: 'no thinking between tools',
    model: 'claude-sonnet-5-5',
    chat: { reasoning_effort: 'none', tools: [lookUp] },
    holds: { thinking: { type: 'between_tools' } },
  },
  {
    name: 'signed thinking while a result is given back',
    model: STRUCTURED,
    chat: {
      reasoning_effort: 'low',
      tools: [lookUp],
      messages: [
        user('?'),
        said({ content: 'So', thinking_blocks: signed, reasoning_content: 'Hm.', tool_calls: [call('a')] }),
        result('a'),
      ],
    },
    holds: {
      thinking: { type: 'enabled' },
      messages: [{}, { content: [...signed, text('So'), { type: 'tool_use' }] }, {}],
    },
  },
  {
    name: 'thinking that pauses without a signature',
    model: STRUCTURED,
    chat: {
      reasoning_effort: 'low',
      tools: [lookUp],
      messages: [
        user('?'),
        said({ tool_calls: [call('a')] }),
        said({ thinking_blocks: signed, tool_calls: [call('b')] }),
        result('a'),
        result('b'),
      ],
    },
    holds: {
      max_tokens: 4096,
      messages: [
        {},
        {
          content: [
            { type: 'tool_use', id: 'a' },
            { type: 'tool_use', id: 'b' },
          ],
        },
        {},
      ],
    },
    lacks: ['thinking'],
  },
  {
    name: 'signed thinking for a model that thinks unasked',
    model: NEWEST,
    chat: {
      tools: [lookUp],
      messages: [user('?'), said({ thinking_blocks: signed, tool_calls: [call('a')] }), result('a')],
    },
    holds: { messages: [{}, { content: [...signed, { type: 'tool_use' }] }, {}] },
  },
  {
    name: 'signed thinking for a model that does not think now',
    model: FIXED,
    chat: { messages: [user('?'), said({ content: 'So', thinking_blocks: signed }), user('Go on')] },
    holds: { messages: [{}, { content: [text('So')] }, {}] },
  },
  {
    name: 'thinking that nothing follows',
    model: NEWEST,
    chat: { messages: [user('?'), said({ thinking_blocks: signed }), user('Well?')] },
    holds: { messages: [{ content: [text('?'), text('Well?')] }] },
  },
  { name: 'a user', model: OLD, chat: { user: 'u-1' }, holds: { metadata: { user_id: 'u-1' } } },
  {
    name: 'a safety identifier',
    model: STRUCTURED,
    chat: { safety_identifier: 's-1' },
    holds: { metadata: { user_id: 's-1' } },
  },
  {
    name: 'cache marks on parts, tools and the request',
    model: STRUCTURED,
    chat: {
      cache_control: mark,
      tools: [{ ...lookUp, cache_control: { ...mark, ttl: '1h' } }],
      messages: [
        { role: 'system', content: [{ ...text('Long'), cache_control: { ...mark, ttl: '1h' } }] },
        user([{ ...image, cache_control: mark }, text('?')]),
      ],
    },
    holds: {
      cache_control: mark,
      tools: [{ cache_control: { ...mark, ttl: '1h' } }],
      system: [{ cache_control: { ...mark, ttl: '1h' } }],
      messages: [{ content: [{ type: 'image', cache_control: mark }, {}] }],
    },
  },
  {
    name: 'cache marks on messages, calls, results and functions',
    model: BUDGET,
    chat: {
      tools: [{ ...now, function: { ...now.function, cache_control: mark } } as never],
      messages: [
        { ...user('?'), cache_control: mark },
        said({ tool_calls: [{ ...call('a'), cache_control: mark }] }),
        result('a', [{ ...text('Rain'), cache_control: mark }]),
      ],
    },
    holds: {
      tools: [{ cache_control: mark }],
      messages: [
        { content: [{ cache_control: mark }] },
        { content: [{ type: 'tool_use', cache_control: mark }] },
        { content: [{ type: 'tool_result', cache_control: mark, content: [text('Rain')] }] },
      ],
    },
  },
  {
    name: 'neighbours of one role',
    model: OLD,
    chat: { messages: [user('a'), user('b'), said({ content: 'c' }), said({ content: 'd' }), user('e')] },
    holds: {
      messages: [{ content: [text('a'), text('b')] }, { content: [text('c'), text('d')] }, { content: [text('e')] }],
    },
  },
  {
    name: 'empty and blank content',
    model: NEWEST,
    chat: {
      messages: [
        { role: 'system', content: '' },
        user([text(''), text(' \n'), text('a')]),
        said({ content: '' }),
        user('b'),
      ],
    },
    holds: { messages: [{ content: [text('a'), text('b')] }] },
    lacks: ['system'],
  },
  {
    name: 'an assistant that speaks first',
    model: STRUCTURED,
    chat: { messages: [said({ content: 'Hello!' }), user('Hi')] },
    holds: {
      messages: [
        { role: 'user' },
        { role: 'assistant', content: [text('Hello!')] },
        { role: 'user', content: [text('Hi')] },
      ],
    },
  },
  {
    name: 'an answer to be continued',
    model: STRUCTURED,
    chat: { messages: [user('Once'), said({ content: 'upon a \n' })] },
    holds: { messages: [{}, { content: [text('upon a')] }] },
  },
  {
    name: 'an answer of the gateway, sent back as it was',
    model: STRUCTURED,
    chat: {
      messages: [
        user('a'),
        said({
          content: [text('Yes'), { type: 'refusal', refusal: 'No' }],
          refusal: 'Never',
          reasoning_content: 'Hm.',
          annotations: [],
          audio: null,
          function_call: null,
        }),
        user('b'),
      ],
    },
    holds: { messages: [{}, { content: [text('Yes'), text('No'), text('Never')] }, {}] },
  },
  {
    name: 'everything at once',
    model: STRUCTURED,
    chat: {
      stream: true,
      stream_options: { include_usage: true },
      n: 1,
      verbosity: 'medium',
      store: true,
      metadata: { a: 'b' },
      user: 'u',
      stop: ['X'],
      temperature: 1,
      reasoning_effort: 'medium',
      parallel_tool_calls: false,
      response_format: inSchema(person),
      tools: [strict, now],
      messages: [
        { role: 'developer', content: 'Be kind.' },
        ...round.slice(0, 1),
        said({ thinking_blocks: signed, tool_calls: [call('a'), call('b')] }),
        result('a', [image]),
        result('b'),
        user([pdf, text('And?')]),
      ],
    },
    holds: {
      stream: true,
      thinking: { type: 'enabled', budget_tokens: 8192 },
      max_tokens: 12_288,
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      output_config: { format: { type: 'json_schema' } },
      temperature: 1,
      stop_sequences: ['X'],
    },
  },
];
