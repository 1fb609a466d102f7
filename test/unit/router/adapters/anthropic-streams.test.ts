import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import { AnthropicAdapter } from '../../../../src/router/adapters/anthropic.adapter.js';
import { JSON_ANSWER_TOOL } from '../../../../src/router/adapters/anthropic-own-words.js';
import {
  type AnthropicEvent,
  block,
  delta,
  ending,
  eventBytes,
  messageStart,
  stop,
  streamOf,
  toldByStream,
} from '../../../support/anthropic-events.js';
import { loadOpenAiSchema } from '../../../support/openai-schema.js';
import { CONTEXT, joinChunks, translateStream } from '../../../support/streamed-answers.js';

const schema = loadOpenAiSchema();

const text = (index: number, said: string): AnthropicEvent => delta(index, { type: 'text_delta', text: said });
const json = (index: number, partial_json: string): AnthropicEvent =>
  delta(index, { type: 'input_json_delta', partial_json });
const cite = (index: number, url: string): AnthropicEvent =>
  delta(index, { type: 'citations_delta', citation: { type: 'web_search_result_location', url, title: 'T' } });

/** Two thinkings that are signed, one that is hidden, and two tool calls. */
const THOUGHTFUL = [
  block(0, { type: 'thinking', thinking: '', signature: '' }),
  delta(0, { type: 'thinking_delta', thinking: 'Let me ' }),
  delta(0, { type: 'thinking_delta', thinking: 'see.' }),
  delta(0, { type: 'signature_delta', signature: 'abc' }),
  delta(0, { type: 'signature_delta', signature: 'def' }),
  stop(0),
  block(1, { type: 'redacted_thinking', data: 'hidden' }),
  stop(1),
  block(2, { type: 'thinking', thinking: '', signature: '' }),
  delta(2, { type: 'signature_delta', signature: 'omitted' }),
  stop(2),
  block(3, { type: 'text', text: '' }),
  text(3, 'It rains.'),
  cite(3, 'https://a.test/'),
  stop(3),
  block(4, { type: 'tool_use', id: 'a', name: 'look', input: {} }),
  json(4, '{"x":1}'),
  stop(4),
  ...ending('tool_use'),
];

const THINKING_BLOCKS = [
  { type: 'thinking', thinking: 'Let me see.', signature: 'abcdef' },
  { type: 'redacted_thinking', data: 'hidden' },
  { type: 'thinking', thinking: '', signature: 'omitted' },
];

const ANNOTATIONS = [
  { type: 'url_citation', url_citation: { url: 'https://a.test/', title: 'T', start_index: 0, end_index: 9 } },
];

describe("Anthropic's stream", () => {
  it('counts what it repeats once, and takes the last count', () => {
    const { usage, texts } = streamOf([
      block(0, { type: 'text', text: 'a' }),
      messageStart(),
      ...ending('end_turn', { input_tokens: 10, cache_read_input_tokens: null, output_tokens: 5 }),
    ]);
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 5 });
    expect(joinChunks(texts)).toMatchObject({
      usage: [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }],
      faults: [],
    });
  });

  it('is counted for the gateway, and not for the client who did not ask', () => {
    const { usage, texts } = streamOf(ending(), { ...CONTEXT, includeUsage: false });
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 5 });
    expect(joinChunks(texts).usage).toEqual([]);
  });

  it('counts what came before it broke', () => {
    const { usage, error } = streamOf([text(0, 'a')]);
    expect(error?.code).toBe('upstream_invalid_response');
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 1 });
  });

  it('numbers tools from 0, whatever stands between them, and gives `{}` to one without arguments', () => {
    const { texts } = streamOf([
      block(0, { type: 'thinking', thinking: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      stop(0),
      block(1, { type: 'tool_use', id: 'a', name: 'first', input: {} }),
      json(1, ''),
      stop(1),
      block(2, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      json(2, '{"query":1}'),
      stop(2),
      block(3, { type: 'tool_use', id: 'b', name: 'second', input: {} }),
      json(3, '{"x":'),
      json(3, '1}'),
      stop(3),
      block(4, { type: 'tool_use', id: 'c', name: 'third', input: { given: 'at once' } }),
      ...ending('tool_use'),
    ]);
    const { choices, faults } = joinChunks(texts);
    expect(faults).toEqual([]);
    expect(choices[0]?.reasoning).toBe('Hm');
    expect(choices[0]?.tools).toEqual([
      { id: 'a', name: 'first', arguments: '{}' },
      { id: 'b', name: 'second', arguments: '{"x":1}' },
      { id: 'c', name: 'third', arguments: '{"given":"at once"}' },
    ]);
  });

  it('has the calls and words its message begins with', () => {
    const call = { type: 'tool_use', id: 'a', name: 'roll', input: { sides: '@' }, caller: { type: 'code_execution' } };
    const begin = messageStart() as { message: object; type: string };
    const message = { ...begin.message, content: [call, { type: 'text', text: 'Rolled.' }] };
    const events = [
      { type: 'message_start', message },
      block(2, { type: 'text', text: ' Twice.' }),
      ...ending('tool_use'),
    ];
    const bytes = Buffer.from(eventBytes(events).toString().replace('"@"', '12345678901234567890'));
    const { choices, faults } = joinChunks(translateStream(new AnthropicAdapter(), [bytes]).texts);
    expect(faults).toEqual([]);
    expect(choices).toMatchObject([
      {
        content: 'Rolled. Twice.',
        tools: [{ id: 'a', name: 'roll', arguments: '{"sides":12345678901234567890}' }],
        finishReasons: ['tool_calls'],
      },
    ]);
  });

  it('passes over pings and what is new to AEGIS', () => {
    const { texts, error } = streamOf([
      { type: 'ping' },
      { type: 'content_block_magic', index: 9 },
      block(0, { type: 'hologram' }),
      delta(0, { type: 'hologram_delta', light: 'x' }),
      stop(0),
      block(1, { type: 'compaction', content: null }),
      delta(1, { type: 'compaction_delta', content: 'A summary.' }),
      stop(1),
      block(2, { type: 'text', text: '' }),
      text(2, 'Hi'),
      delta(2, { type: 'citations_delta', citation: {} }),
      ...ending(),
    ]);
    expect(error).toBeNull();
    expect(toldByStream(texts)).toMatchObject({ content: 'Hi', annotations: undefined });
  });

  it('says its signed thinking and its sources once, whole, before the finish', () => {
    const { texts } = streamOf(THOUGHTFUL);
    const said = texts.map((chunk) => JSON.parse(chunk).choices[0]?.delta ?? {});
    expect(said.filter((fields) => 'thinking_blocks' in fields || 'annotations' in fields)).toEqual([
      { annotations: ANNOTATIONS, thinking_blocks: THINKING_BLOCKS },
    ]);
    expect(joinChunks(texts)).toMatchObject({ faults: [], choices: [{ reasoning: 'Let me see.' }] });
    for (const chunk of texts) if (schema) expect(schema.checkChunk(JSON.parse(chunk))).toEqual([]);
  });

  it('leaves the official client with a message that can be sent back as it is', async () => {
    const lines = streamOf(THOUGHTFUL).texts.map((chunk) => `${chunk}\n`);
    const readable = new ReadableStream({
      start(controller) {
        for (const line of lines) controller.enqueue(new TextEncoder().encode(line));
        controller.close();
      },
    });
    const completion = await ChatCompletionStream.fromReadableStream(readable).finalChatCompletion();
    expect(completion.choices[0]?.message).toMatchObject({
      role: 'assistant',
      content: 'It rains.',
      thinking_blocks: THINKING_BLOCKS,
      annotations: ANNOTATIONS,
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{"x":1}' } }],
    });
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('places its sources in the joined text, whose characters may come in halves', () => {
    const { texts } = streamOf([
      block(0, { type: 'text', text: 'So ' }),
      text(0, '\ud83d'),
      text(0, '\ude42: '),
      stop(0),
      block(1, { type: 'text', text: '', citations: [] }),
      cite(1, 'https://a.test/'),
      text(1, 'it '),
      text(1, 'rains'),
      stop(1),
      block(2, { type: 'text', text: '.' }),
      ...ending(),
    ]);
    const { content, annotations } = toldByStream(texts);
    expect(content).toBe('So 🙂: it rains.');
    expect(annotations).toMatchObject([{ url_citation: { start_index: 6, end_index: 14 } }]);
  });

  it.each([
    ['overloaded_error', 'transient'],
    ['api_error', 'transient'],
    ['conflict_error', 'transient'],
    ['rate_limit_error', 'rate_limited'],
    ['authentication_error', 'credential'],
    ['permission_error', 'credential'],
    ['billing_error', 'exhausted'],
    ['invalid_request_error', 'caller'],
    ['something_new', 'transient'],
  ])('that reports %s fails as %s', (type, disposition) => {
    const { error } = streamOf([{ type: 'error', error: { type, message: 'Because.' } }]);
    expect(error).toMatchObject({ disposition, fault: { status: null } });
  });

  it('is not whole without message_stop, even where a stop reason came', () => {
    const { error, texts } = streamOf([block(0, { type: 'text', text: 'a' }), ...ending().slice(0, 1)]);
    expect(error).not.toBeNull();
    expect(joinChunks(texts).choices[0]?.finishReasons).toEqual([]);
  });

  it('is over with message_stop, whatever comes after', () => {
    const after = [text(0, 'more'), ...ending(), messageStart(), { type: 'error', error: {} }];
    const { texts, error } = streamOf([text(0, 'a'), ...ending(), ...after]);
    expect(error).toBeNull();
    expect(toldByStream(texts).content).toBe('a');
    expect(joinChunks(texts).faults).toEqual([]);
  });

  it('gives what never began no tool call, and a block whose place is taken its arguments', () => {
    const { texts } = streamOf([
      json(7, '{"lost":1}'),
      delta(7, { type: 'signature_delta', signature: 's' }),
      cite(7, 'https://a.test/'),
      stop(7),
      block(0, { type: 'tool_use', id: 'a', name: 'first', input: {} }),
      block(0, { type: 'tool_use', id: 'b', name: 'second', input: {} }),
      json(0, '{"x":1}'),
      ...ending('tool_use'),
    ]);
    const told = toldByStream(texts);
    expect(told.tools.map(({ arguments: given }) => given)).toEqual(['{}', '{"x":1}']);
    expect([told.annotations, told.thinkingBlocks]).toEqual([undefined, undefined]);
  });

  it('is broken where it keeps more than any answer has', () => {
    const thinking = delta(0, { type: 'thinking_delta', thinking: 'x'.repeat(1024 * 1024) });
    const begin = block(0, { type: 'thinking', thinking: '', signature: '' });
    expect(streamOf([begin, ...Array(9).fill(thinking), ...ending()]).error?.code).toBe('upstream_invalid_response');
    expect(streamOf([begin, ...Array(4).fill(thinking), ...ending()]).error).toBeNull();
  });
});

describe("Anthropic's stream of an answer in JSON", () => {
  const expecting = { ...CONTEXT, expectsJson: true };
  const answer = [
    block(1, { type: 'tool_use', id: 'j', name: JSON_ANSWER_TOOL, input: {} }),
    json(1, '{"a":'),
    json(1, '1}'),
    stop(1),
  ];

  it('is the content, piece by piece, and no tool call', () => {
    const { texts } = streamOf([...answer, ...ending('tool_use')], expecting);
    const pieces = texts.map((chunk) => JSON.parse(chunk).choices[0]?.delta.content).filter(Boolean);
    expect(pieces).toEqual(['{"a":', '1}']);
    expect(toldByStream(texts)).toMatchObject({ tools: [], finish: 'stop' });
  });

  it('is `{}` where nothing was given', () => {
    expect(toldByStream(streamOf([...answer.slice(0, 1), ...ending('tool_use')], expecting).texts).content).toBe('{}');
  });

  it('stays JSON: what is said beside it becomes reasoning, and only the first of two counts', () => {
    const again = block(2, { type: 'tool_use', id: 'k', name: JSON_ANSWER_TOOL, input: {} });
    const events = [
      block(0, { type: 'text', text: '\n' }),
      text(0, 'Here '),
      cite(0, 'https://a.test/'),
      stop(0),
      ...answer,
      again,
      json(2, '{"a":2}'),
      stop(2),
      text(3, 'it is.'),
      ...ending('tool_use'),
    ];
    expect(toldByStream(streamOf(events, expecting).texts)).toMatchObject({
      content: '{"a":1}',
      reasoning: '\nHere it is.',
      annotations: undefined,
      finish: 'stop',
    });
  });

  it('stays JSON where the model has begun it in its own words, and where a source in brackets looks like it', () => {
    const said = streamOf([text(0, '{"b":2'), text(0, '}'), stop(0), ...answer, ...ending('tool_use')], expecting);
    expect(toldByStream(said.texts)).toMatchObject({ content: '{"b":2}', tools: [], finish: 'stop' });
    const aloud = streamOf([text(0, '[1] says so.'), stop(0), ...answer, ...ending('tool_use')], expecting);
    expect(toldByStream(aloud.texts)).toMatchObject({ content: '{"a":1}', reasoning: '[1] says so.' });
  });

  it('that the model gives in its own words comes whole, at once where it is JSON', () => {
    const prose = streamOf([text(0, ' So'), text(0, 'rry.'), ...ending()], expecting);
    expect(toldByStream(prose.texts).content).toBe(' Sorry.');
    const live = streamOf([text(0, ' '), text(0, '{"a"'), text(0, ':1}')], expecting);
    expect(toldByStream(live.texts).content).toBe(' {"a":1}');
  });

  it('does not hide the calls of the client’s own tools', () => {
    const call = [block(5, { type: 'tool_use', id: 'a', name: 'look', input: {} }), stop(5)];
    expect(toldByStream(streamOf([...answer, ...call, ...ending('tool_use')], expecting).texts)).toMatchObject({
      content: '{"a":1}',
      tools: [{ name: 'look', arguments: '{}' }],
      finish: 'tool_calls',
    });
  });
});
