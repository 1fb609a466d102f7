import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import { JSON_ANSWER_TOOL } from '../../../../src/router/adapters/anthropic-own-words.js';
import {
  answerOf,
  block,
  ending,
  stop,
  streamOf,
  toldByAnswer,
  toldByStream,
} from '../../../support/anthropic-events.js';
import { loadOpenAiSchema } from '../../../support/openai-schema.js';
import { CONTEXT } from '../../../support/streamed-answers.js';

const adapter = new AnthropicAdapter();
const schema = loadOpenAiSchema();

const STOP_REASONS = [
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'],
  ['compaction', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
  ['something_new', 'stop'],
  ['constructor', 'stop'],
  [null, 'stop'],
] as const;

/** What blocks of Anthropic's own tools, and others that have no place in OpenAI's format, look like. */
const OTHER_BLOCKS = [
  { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
  { type: 'web_search_tool_result', tool_use_id: 's', content: [{ type: 'web_search_result', url: 'https://a.b' }] },
  { type: 'web_search_tool_result', tool_use_id: 's', content: { error_code: 'unavailable' } },
  { type: 'web_fetch_tool_result', tool_use_id: 's', content: { type: 'web_fetch_result' } },
  { type: 'code_execution_tool_result', tool_use_id: 's', content: { stdout: 'x' } },
  { type: 'bash_code_execution_tool_result', tool_use_id: 's', content: {} },
  { type: 'text_editor_code_execution_tool_result', tool_use_id: 's', content: {} },
  { type: 'tool_search_tool_result', tool_use_id: 's', content: {} },
  { type: 'advisor_tool_result', tool_use_id: 's', content: { type: 'advisor_result', text: 'x' } },
  { type: 'mcp_tool_use', id: 's', name: 'x', server_name: 'y', input: {} },
  { type: 'mcp_tool_result', tool_use_id: 's', content: [{ type: 'text', text: 'not said by the model' }] },
  { type: 'mcp_tool_listing', mcp_server_name: 'y', tools: [] },
  { type: 'container_upload', file_id: 'file_1' },
  { type: 'compaction', content: 'A summary.', encrypted_content: 'x' },
  { type: 'fallback', from: { model: 'a' }, to: { model: 'b' } },
  { type: 'hologram', text: 'not text' },
];

describe("Anthropic's answer", () => {
  it('keeps its id, recognisable as a chat completion', () => {
    expect(answerOf({}).completion.id).toBe('chatcmpl-msg_1');
  });

  it('joins its texts and its thinking', () => {
    const { completion } = answerOf({
      content: [
        { type: 'thinking', thinking: 'Hm. ' },
        { type: 'text', text: 'One ' },
        { type: 'thinking', thinking: 'Yes.' },
        { type: 'text', text: 'two', citations: [] },
      ],
    });
    expect(completion.choices[0]?.message).toEqual({
      role: 'assistant',
      content: 'One two',
      refusal: null,
      reasoning_content: 'Hm. Yes.',
    });
  });

  it('keeps all thinking that is signed, in order and unchanged, shown or not', () => {
    const signed = [
      { type: 'thinking', thinking: 'Hm. ', signature: 's1' },
      { type: 'redacted_thinking', data: 'x' },
      { type: 'thinking', thinking: '', signature: 's2' },
    ];
    const content = [...signed, { type: 'thinking', thinking: 'Unsigned.', signature: '' }];
    const { message } = answerOf({ content }).completion.choices[0] ?? {};
    expect(message?.thinking_blocks).toEqual(signed);
    expect(message?.reasoning_content).toBe('Hm. Unsigned.');
  });

  it.each(OTHER_BLOCKS)('shows nothing of $type, and the text beside it', (other) => {
    const expected = { content: 'One two', tools: [], reasoning: '', finish: 'stop' };
    const content = [{ type: 'text', text: 'One ' }, other, { type: 'text', text: 'two' }];
    expect(toldByAnswer(answerOf({ content }))).toMatchObject(expected);
    const events = content.flatMap((each, index) => [block(index, each), stop(index)]);
    expect(toldByStream(streamOf([...events, ...ending()]).texts)).toMatchObject(expected);
  });

  it.each(STOP_REASONS)('that stops with %s finishes with %s', (stopReason, finish) => {
    expect(answerOf({ stop_reason: stopReason }).completion.choices[0]?.finish_reason).toBe(finish);
    const streamed = streamOf([block(0, { type: 'text', text: 'a' }), stop(0), ...ending(stopReason)]);
    expect(toldByStream(streamed.texts).finish).toBe(finish);
  });

  it('that calls tools and does not say why it stopped finishes with tool_calls', () => {
    const call = { type: 'tool_use', id: 'a', name: 'look', input: {} };
    expect(toldByAnswer(answerOf({ content: [call], stop_reason: null })).finish).toBe('tool_calls');
    expect(toldByStream(streamOf([block(0, call), stop(0), ...ending(null)]).texts).finish).toBe('tool_calls');
  });

  it('says why it refused, once', () => {
    const stop_details = { type: 'refusal', category: 'cyber', explanation: 'Not this.' };
    expect(toldByAnswer(answerOf({ stop_reason: 'refusal', stop_details }))).toMatchObject({
      refusal: 'Not this.',
      finish: 'content_filter',
    });
    const refusing = { type: 'message_delta', delta: { stop_reason: 'refusal', stop_details }, usage: {} };
    expect(toldByStream(streamOf([refusing, refusing, { type: 'message_stop' }]).texts)).toMatchObject({
      refusal: 'Not this.',
      finish: 'content_filter',
    });
  });

  it.each([
    [{ type: 'refusal', explanation: null }],
    [{ type: 'refusal', explanation: 7 }],
    [{ type: 'other', explanation: 'x' }],
    ['x'],
    [null],
  ])('has no words for a refusal that explains itself with %j', (stop_details) => {
    expect(answerOf({ stop_reason: 'refusal', stop_details }).completion.choices[0]?.message.refusal).toBeNull();
  });

  it('keeps every digit of the numbers a tool is called with', () => {
    const exact = '{"id":12345678901234567890,"size":1e400,"__proto__":{"deep":[0.1234567890123456789]}}';
    const message = `{"content":[{"type":"tool_use","id":"a","name":"look","input":${exact}}],"usage":{"input_tokens":1e1,"output_tokens":2}}`;
    const { completion, usage } = adapter.parseCompletion(Buffer.from(message), CONTEXT);
    expect(completion.choices[0]?.message.tool_calls?.[0]?.function.arguments).toBe(exact);
    expect(usage?.promptTokens).toBe(10);
    const start = `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"look","input":${exact}}}`;
    const translator = adapter.openStream(CONTEXT);
    translator.push({ type: '', data: '{"type":"message_start","message":{}}' });
    translator.push({ type: '', data: start });
    const [text] = translator.push({ type: '', data: '{"type":"content_block_stop","index":0}' });
    expect(JSON.parse(text ?? '').choices[0].delta.tool_calls[0].function.arguments).toBe(exact);
  });

  it.each([
    [undefined, '{}'],
    [null, '{}'],
    ['', '{}'],
    ['{"a":1}', '{"a":1}'],
    [[1], '[1]'],
  ])('calls a tool whose input is %j with %s', (input, expected) => {
    const call = { type: 'tool_use', id: 'a', name: 'look', input };
    expect(toldByAnswer(answerOf({ content: [call] })).tools[0]?.arguments).toBe(expected);
    expect(toldByStream(streamOf([block(0, call), stop(0), ...ending()]).texts).tools[0]?.arguments).toBe(expected);
  });

  it('that is no message is refused', () => {
    for (const body of ['', 'x', '[]', '{}', '{"content":"x"}', `{"content":[${'['.repeat(600)}${']'.repeat(600)}]}`]) {
      expect(() => adapter.parseCompletion(Buffer.from(body), CONTEXT)).toThrow(/cannot read/);
    }
  });
});

describe("Anthropic's answer in JSON", () => {
  const json = { type: 'tool_use', id: 'j', name: JSON_ANSWER_TOOL, input: { a: 1 } };

  it('is the content, and no tool call', () => {
    const { completion } = answerOf({ content: [json], stop_reason: 'tool_use' });
    expect(completion.choices[0]).toMatchObject({ message: { content: '{"a":1}' }, finish_reason: 'stop' });
    expect(completion.choices[0]?.message).not.toHaveProperty('tool_calls');
  });

  it('stays JSON: what is said beside it becomes reasoning, and only the first of two counts', () => {
    const content = [
      { type: 'thinking', thinking: 'Hm. ', signature: 's' },
      { type: 'text', text: 'Here ', citations: [{ type: 'web_search_result_location', url: 'https://a.b/' }] },
      json,
      { ...json, input: { a: 2 } },
      { type: 'text', text: 'it is.' },
    ];
    expect(toldByAnswer(answerOf({ content, stop_reason: 'tool_use' }))).toMatchObject({
      content: '{"a":1}',
      reasoning: 'Hm. Here it is.',
      tools: [],
      annotations: undefined,
    });
  });

  it('leaves the calls of the client’s own tools as they are', () => {
    const call = { type: 'tool_use', id: 'a', name: 'look', input: {} };
    const told = toldByAnswer(answerOf({ content: [json, call], stop_reason: 'tool_use' }));
    expect(told).toMatchObject({ content: '{"a":1}', finish: 'tool_calls', tools: [{ name: 'look' }] });
  });

  it('that was cut off at the limit says so', () => {
    expect(toldByAnswer(answerOf({ content: [json], stop_reason: 'max_tokens' })).finish).toBe('length');
  });
});

describe("Anthropic's citations", () => {
  const web = (url: string, title: string | null): object => ({ type: 'web_search_result_location', url, title });
  const result = (source: string): object => ({ type: 'search_result_location', source, title: 'Found' });

  it('of web pages become annotations of the words that rest on them', () => {
    const { completion } = answerOf({
      content: [
        { type: 'text', text: 'So 🙂: ' },
        { type: 'text', text: 'it rains', citations: [web('https://a.test/1', 'One'), web('https://a.test/1', 'One')] },
        { type: 'text', text: ' and ' },
        { type: 'text', text: 'snows', citations: [web('https://b.test/', null), result('https://c.test/')] },
      ],
    });
    const { message } = completion.choices[0] ?? {};
    expect(message?.annotations?.map(({ url_citation: cited }) => cited)).toEqual([
      { url: 'https://a.test/1', title: 'One', start_index: 6, end_index: 14 },
      { url: 'https://b.test/', title: 'https://b.test/', start_index: 19, end_index: 24 },
      { url: 'https://c.test/', title: 'Found', start_index: 19, end_index: 24 },
    ]);
    // Code points, as Python counts.
    expect(
      Array.from(message?.content ?? '')
        .slice(6, 14)
        .join(''),
    ).toBe('it rains');
    if (schema) expect(schema.checkCompletion(completion)).toEqual([]);
  });

  it.each([
    [{ type: 'char_location', document_title: 'D', start_char_index: 0, end_char_index: 1 }],
    [{ type: 'page_location', document_title: 'D', start_page_number: 1 }],
    [{ type: 'content_block_location', document_title: 'D' }],
    [result('handbook/chapter-1')],
    [result('javascript:alert(1)')],
    [web('', 'Nothing')],
    [web('https://', 'Nothing')],
    [{ type: 'web_search_result_location', url: 7 }],
    ['x'],
    [null],
  ])('without a web address have no place: %j', (citation) => {
    const { message } =
      answerOf({ content: [{ type: 'text', text: 'a', citations: [citation] }] }).completion.choices[0] ?? {};
    expect(message).toEqual({ role: 'assistant', content: 'a', refusal: null });
  });
});

describe("Anthropic's usage", () => {
  it('counts cached tokens within the prompt', () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 40, cache_creation_input_tokens: 300, output_tokens: 7 };
    const parsed = answerOf({ usage: { ...usage, output_tokens_details: { thinking_tokens: 4 } } });
    expect(parsed.usage).toEqual({
      promptTokens: 345,
      completionTokens: 7,
      totalTokens: 352,
      cachedPromptTokens: 40,
      cacheWriteTokens: 300,
      reasoningTokens: 4,
    });
    expect(parsed.completion.usage).toEqual({
      prompt_tokens: 345,
      completion_tokens: 7,
      total_tokens: 352,
      prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 300 },
      completion_tokens_details: { reasoning_tokens: 4 },
    });
  });

  it('takes the total of what was cached, or the sum where the total is missing', () => {
    const cache_creation = { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 3 };
    const counted = { input_tokens: 1, output_tokens: 1, cache_creation };
    expect(answerOf({ usage: counted }).usage?.cacheWriteTokens).toBe(23);
    expect(answerOf({ usage: { ...counted, cache_creation_input_tokens: null } }).usage?.promptTokens).toBe(24);
    expect(answerOf({ usage: { ...counted, cache_creation_input_tokens: 23 } }).usage?.promptTokens).toBe(24);
  });

  it('takes a count that no answer can have for none', () => {
    const usage = { input_tokens: 1e308, output_tokens: 7, cache_read_input_tokens: 1e20 };
    expect(answerOf({ usage }).usage).toMatchObject({ promptTokens: 0, completionTokens: 7, cachedPromptTokens: 0 });
  });

  it('keeps apart what was cached for an hour, which costs more', () => {
    const cache_creation = { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 3 };
    const counted = { input_tokens: 1, output_tokens: 1, cache_creation };
    expect(answerOf({ usage: counted }).usage).toMatchObject({ cacheWriteTokens: 23, cacheWrite1hTokens: 3 });
    const claimed = answerOf({ usage: { ...counted, cache_creation_input_tokens: 2 } }).usage;
    expect(claimed).toMatchObject({ cacheWriteTokens: 2, cacheWrite1hTokens: 2 });
    const short = { ...counted, cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 0 } };
    expect(answerOf({ usage: short }).usage).not.toHaveProperty('cacheWrite1hTokens');
  });

  it('adds neither iterations nor searches to the totals', () => {
    const { usage } = answerOf({
      usage: {
        input_tokens: 10,
        output_tokens: 5,
        cache_read_input_tokens: null,
        server_tool_use: { web_search_requests: 3 },
        iterations: [{ type: 'compaction', input_tokens: 60_000, output_tokens: 500 }],
      },
    });
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 5, totalTokens: 15, cachedPromptTokens: 0 });
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
