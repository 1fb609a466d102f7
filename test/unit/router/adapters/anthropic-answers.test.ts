import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import { CONTEXT, joinChunks, type TranslatedStream, translateStream } from '../../../support/streamed-answers.js';

const adapter = new AnthropicAdapter();

function answer(fields: object): ReturnType<AnthropicAdapter['parseCompletion']> {
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    content: [],
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 1 },
    ...fields,
  };
  return adapter.parseCompletion(Buffer.from(JSON.stringify(message)), CONTEXT);
}

function stream(...events: readonly { readonly type: string; readonly [key: string]: unknown }[]): TranslatedStream {
  const start = { type: 'message_start', message: { id: 'msg_1', usage: { input_tokens: 10, output_tokens: 1 } } };
  const text = [start, ...events].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
  return translateStream(adapter, [Buffer.from(text)]);
}

const delta = (index: number, fields: object): { type: string } & Record<string, unknown> => ({
  type: 'content_block_delta',
  index,
  delta: fields,
});
const block = (index: number, fields: object): { type: string } & Record<string, unknown> => ({
  type: 'content_block_start',
  index,
  content_block: fields,
});
const stop = (index: number): { type: string } & Record<string, unknown> => ({ type: 'content_block_stop', index });
const ending = (
  stopReason = 'end_turn',
  usage: object = { output_tokens: 5 },
): ({ type: string } & Record<string, unknown>)[] => [
  { type: 'message_delta', delta: { stop_reason: stopReason }, usage },
  { type: 'message_stop' },
];

const STOP_REASONS = [
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
  ['something_new', 'stop'],
] as const;

describe("Anthropic's answer", () => {
  it('keeps its id, recognisable as a chat completion', () => {
    expect(answer({}).completion.id).toBe('chatcmpl-msg_1');
  });

  it('joins its texts and its thinking, and leaves out what its own tools did', () => {
    const { completion } = answer({
      content: [
        { type: 'thinking', thinking: 'Hm. ', signature: 's' },
        { type: 'redacted_thinking', data: 'x' },
        { type: 'text', text: 'One ' },
        { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
        { type: 'web_search_tool_result', content: [] },
        { type: 'text', text: 'two', citations: [] },
      ],
    });
    expect(completion.choices[0]?.message).toEqual({
      role: 'assistant',
      content: 'One two',
      refusal: null,
      reasoning_content: 'Hm. ',
    });
  });

  it.each(STOP_REASONS)('that stops with %s finishes with %s', (stopReason, finish) => {
    expect(answer({ stop_reason: stopReason }).completion.choices[0]?.finish_reason).toBe(finish);
    const streamed = stream(block(0, { type: 'text', text: 'a' }), stop(0), ...ending(stopReason));
    expect(joinChunks(streamed.texts).choices[0]?.finishReasons).toEqual([finish]);
  });

  it('says why it refused', () => {
    const stop_details = { type: 'refusal', category: 'cyber', explanation: 'Not this.' };
    expect(answer({ stop_reason: 'refusal', stop_details }).completion.choices[0]?.message.refusal).toBe('Not this.');
    const streamed = stream(
      { type: 'message_delta', delta: { stop_reason: 'refusal', stop_details }, usage: {} },
      { type: 'message_stop' },
    );
    expect(joinChunks(streamed.texts).choices[0]).toMatchObject({
      refusal: 'Not this.',
      finishReasons: ['content_filter'],
    });
  });

  it('counts cached tokens within the prompt', () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 40, cache_creation_input_tokens: 300, output_tokens: 7 };
    const parsed = answer({ usage: { ...usage, output_tokens_details: { thinking_tokens: 4 } } });
    expect(parsed.usage).toEqual({
      promptTokens: 345,
      completionTokens: 7,
      totalTokens: 352,
      cachedPromptTokens: 40,
      cacheWriteTokens: 300,
      reasoningTokens: 4,
    });
    expect(parsed.completion.usage).toMatchObject({
      prompt_tokens: 345,
      prompt_tokens_details: { cached_tokens: 40 },
      completion_tokens_details: { reasoning_tokens: 4 },
    });
  });
});

describe("Anthropic's stream", () => {
  it('counts what it repeats once, and takes the last count', () => {
    const { usage, texts } = stream(
      block(0, { type: 'text', text: 'a' }),
      ...ending('end_turn', { input_tokens: 10, cache_read_input_tokens: null, output_tokens: 5 }),
    );
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 5 });
    expect(joinChunks(texts).usage).toMatchObject([{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }]);
  });

  it('counts what came before it broke', () => {
    const { usage, error } = stream(delta(0, { type: 'text_delta', text: 'a' }));
    expect(error?.code).toBe('upstream_invalid_response');
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 1 });
  });

  it('numbers tools from 0, whatever stands between them, and gives `{}` to one without arguments', () => {
    const { texts } = stream(
      block(0, { type: 'thinking', thinking: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      delta(0, { type: 'signature_delta', signature: 's' }),
      stop(0),
      block(1, { type: 'tool_use', id: 'a', name: 'first', input: {} }),
      delta(1, { type: 'input_json_delta', partial_json: '' }),
      stop(1),
      block(2, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      delta(2, { type: 'input_json_delta', partial_json: '{"query":1}' }),
      stop(2),
      block(3, { type: 'tool_use', id: 'b', name: 'second', input: {} }),
      delta(3, { type: 'input_json_delta', partial_json: '{"x":' }),
      delta(3, { type: 'input_json_delta', partial_json: '1}' }),
      stop(3),
      block(4, { type: 'tool_use', id: 'c', name: 'third', input: { given: 'at once' } }),
      ...ending('tool_use'),
    );
    const { choices, faults } = joinChunks(texts);
    expect(faults).toEqual([]);
    expect(choices[0]?.reasoning).toBe('Hm');
    expect(choices[0]?.tools).toEqual([
      { id: 'a', name: 'first', arguments: '{}' },
      { id: 'b', name: 'second', arguments: '{"x":1}' },
      { id: 'c', name: 'third', arguments: '{"given":"at once"}' },
    ]);
  });

  it('passes over pings and what is new to AEGIS', () => {
    const { texts, error } = stream(
      { type: 'ping' },
      { type: 'content_block_magic', index: 9 },
      block(0, { type: 'hologram' }),
      delta(0, { type: 'hologram_delta', light: 'x' }),
      stop(0),
      block(1, { type: 'text', text: '' }),
      delta(1, { type: 'text_delta', text: 'Hi' }),
      delta(1, { type: 'citations_delta', citation: {} }),
      ...ending(),
    );
    expect(error).toBeNull();
    expect(joinChunks(texts).choices[0]?.content).toBe('Hi');
  });

  it.each([
    ['overloaded_error', 'transient'],
    ['api_error', 'transient'],
    ['rate_limit_error', 'rate_limited'],
    ['authentication_error', 'credential'],
    ['permission_error', 'credential'],
    ['billing_error', 'exhausted'],
    ['invalid_request_error', 'caller'],
    ['something_new', 'transient'],
  ])('that reports %s fails as %s', (type, disposition) => {
    const { error } = stream({ type: 'error', error: { type, message: 'Because.' } });
    expect(error).toMatchObject({ disposition, fault: { status: null } });
  });

  it('is not whole without message_stop, even where a stop reason came', () => {
    const { error, texts } = stream(block(0, { type: 'text', text: 'a' }), ...ending().slice(0, 1));
    expect(error).not.toBeNull();
    expect(joinChunks(texts).choices[0]?.finishReasons).toEqual([]);
  });
});

describe("Anthropic's errors", () => {
  const parse = (status: number, type: string, message: string): ReturnType<AnthropicAdapter['parseError']> =>
    adapter.parseError(status, {}, Buffer.from(JSON.stringify({ type: 'error', error: { type, message } })));

  it('give a prompt that is too long the code that clients know', () => {
    const error = parse(400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum');
    expect(error).toMatchObject({ status: 400, wireCode: 'context_length_exceeded' });
    expect(error.message).toContain('210000');
  });

  it('know an empty account from a fault of the caller', () => {
    const error = parse(400, 'invalid_request_error', 'Your credit balance is too low to access the Anthropic API.');
    expect(error).toMatchObject({ disposition: 'exhausted', mayTryElsewhere: true });
  });
});
