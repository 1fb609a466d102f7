import type { ProviderAdapter } from '../../src/domain/provider-adapter.js';
import { AnthropicAdapter } from '../../src/router/adapters/anthropic.adapter.js';
import { AzureOpenAiAdapter } from '../../src/router/adapters/azure-openai.adapter.js';
import { OpenAiAdapter } from '../../src/router/adapters/openai.adapter.js';
import { OpenAiCompatibleAdapter } from '../../src/router/adapters/openai-compatible.adapter.js';
import { SimulatorAdapter } from '../../src/router/adapters/simulator.adapter.js';
import { VllmAdapter } from '../../src/router/adapters/vllm.adapter.js';

/** One provider's way of saying what every provider can say, written from its documentation. */
export interface ProviderAnswers {
  readonly adapter: ProviderAdapter;
  /** A whole answer: `TEXT`, then a call of `look_up` with `{"city":"Zürich"}`; 12 prompt and 7 completion tokens. */
  readonly answer: string;
  /** The same answer as a stream. */
  readonly stream: string;
  /** A stream that fails after some text. */
  readonly failingStream: string;
  /** A refusal of the request, HTTP 400. */
  readonly refusal: string;
}

export const TEXT = 'Grüezi, "world" 👋';

const ARGUMENTS = '{"city":"Zürich"}';

function events(...data: (object | string)[]): string {
  return data.map((item) => `data: ${typeof item === 'string' ? item : JSON.stringify(item)}\n\n`).join('');
}

function named(...data: { readonly type: string; readonly [key: string]: unknown }[]): string {
  return data.map((item) => `event: ${item.type}\ndata: ${JSON.stringify(item)}\n\n`).join('');
}

function openAiAnswers(adapter: ProviderAdapter): ProviderAnswers {
  const envelope = { id: 'chatcmpl-1', created: 1_700_000_001, model: 'upstream-model', system_fingerprint: 'fp_1' };
  const usage = { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 };
  const call = { id: 'call_1', type: 'function', function: { name: 'look_up', arguments: ARGUMENTS } };
  const chunk = (delta: object, finishReason: string | null = null): object => ({
    ...envelope,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    usage: null,
  });
  const start = [
    chunk({ role: 'assistant', content: '', refusal: null }),
    chunk({ content: 'Grüezi, ' }),
    chunk({ content: '"world" 👋' }),
  ];
  return {
    adapter,
    answer: JSON.stringify({
      ...envelope,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: TEXT, refusal: null, tool_calls: [call] },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage,
    }),
    stream: events(
      ...start,
      chunk({ tool_calls: [{ ...call, index: 0, function: { name: 'look_up', arguments: '' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '"Zürich"}' } }] }),
      chunk({}, 'tool_calls'),
      { ...envelope, object: 'chat.completion.chunk', choices: [], usage },
      '[DONE]',
    ),
    failingStream: events(...start, {
      error: { message: 'The server at 10.1.2.3 had an error', type: 'server_error', param: null, code: null },
    }),
    refusal: JSON.stringify({
      error: { message: 'Too hot.', type: 'invalid_request_error', param: 'temperature', code: 'out_of_range' },
    }),
  };
}

function anthropicAnswers(): ProviderAnswers {
  const usage = { input_tokens: 5, cache_read_input_tokens: 4, cache_creation_input_tokens: 3, output_tokens: 7 };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'upstream-model', stop_sequence: null };
  const start = [
    {
      type: 'message_start',
      message: { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüezi, ' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: '"world" 👋' } },
  ];
  return {
    adapter: new AnthropicAdapter(),
    answer: JSON.stringify({
      ...message,
      content: [
        { type: 'text', text: TEXT },
        { type: 'tool_use', id: 'toolu_1', name: 'look_up', input: { city: 'Zürich' } },
      ],
      stop_reason: 'tool_use',
      usage,
    }),
    stream: named(
      ...start,
      { type: 'content_block_stop', index: 0 },
      {
        type: 'content_block_start',
        index: 1,
        content_block: { type: 'tool_use', id: 'toolu_1', name: 'look_up', input: {} },
      },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '"Zürich"}' } },
      { type: 'content_block_stop', index: 1 },
      { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 7 } },
      { type: 'message_stop' },
    ),
    failingStream: named(...start, {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded at 10.1.2.3' },
    }),
    refusal: JSON.stringify({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Too hot.' },
    }),
  };
}

export const PROVIDERS: readonly ProviderAnswers[] = [
  openAiAnswers(new OpenAiAdapter()),
  openAiAnswers(new AzureOpenAiAdapter()),
  openAiAnswers(new VllmAdapter()),
  openAiAnswers(new OpenAiCompatibleAdapter()),
  openAiAnswers(new SimulatorAdapter()),
  anthropicAnswers(),
];
