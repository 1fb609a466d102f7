import { joinChunks, type TranslatedStream, translateStream } from '../../../support/streamed-answers.js';
import { adapter, chunk, DONE, HEAD, ROLE, stream } from './openai-wire.js';

describe("a stream in OpenAI's format", () => {
  it('keeps the text of a clean chunk but for the model', () => {
    const clean =
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk", "model": "up", "x":12345678901234567890,"choices":[{"delta":{"content":"\\u00e9 \\"model\\":\\"up\\""},"index":0,"finish_reason":null}]}';
    const { texts } = stream(ROLE, clean, chunk({}, 'stop'), DONE);
    expect(texts[1]).toBe(clean.replace('"model": "up"', '"model": "aegis-test"'));
  });

  it.each([
    [
      'another key of that name comes first',
      '{"meta":{"model":"up"},"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}',
    ],
    [
      'the word stands alone in the text',
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"model"},"finish_reason":null}],"model":"up"}',
    ],
    [
      'it is written with an escape',
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"model":"\\u0075p"}',
    ],
    [
      'there is none',
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}',
    ],
  ])('names the right model where %s', (_name, text) => {
    const { texts } = stream(ROLE, text);
    const sent = JSON.parse(texts[1] ?? '');
    expect(sent).toEqual({ ...JSON.parse(text), model: 'aegis-test' });
  });

  it.each([
    ['a text', '"delta":{"content":"hidden","content":"x"}'],
    ['a text, once with an escape', '"delta":{"\\u0063ontent":"hidden","content":"x"}'],
    ['a delta', '"delta":{"content":"hidden"},"delta":{"content":"x"}'],
    ['what nobody reads', '"delta":{"content":"x"},"more":{"a":"hidden","a":"x"}'],
  ])('passes on none but the one that filters see where a chunk has %s twice', (_name, fields) => {
    const twins = `{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","model":"up","choices":[{"index":0,${fields},"finish_reason":null}]}`;
    // The second is like the first: what was learned of that one must not let it through.
    const { texts } = stream(ROLE, twins, twins);
    for (const text of texts.slice(1)) {
      expect(text).not.toContain('hidden');
      expect(JSON.parse(text)).toEqual({ ...JSON.parse(twins), model: 'aegis-test' });
    }
    expect(texts).toHaveLength(3);
  });

  it('puts an event that came over several lines on one', () => {
    const text = JSON.stringify({ ...HEAD, choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }] });
    const overTwoLines = text.replace('{', '{\ndata: ');
    const { texts } = stream(ROLE, overTwoLines);
    expect(texts[1]).not.toMatch(/[\r\n]/);
    expect(JSON.parse(texts[1] ?? '')).toEqual({ ...JSON.parse(text), model: 'aegis-test' });
  });

  it('tells one time all the way where the server tells another for each chunk', () => {
    const at = (created: number, delta: object) => ({ ...HEAD, created, choices: [{ index: 0, delta }] });
    const { texts } = stream(at(7, { role: 'assistant' }), at(8, { content: 'x' }), chunk({}, 'stop'), DONE);
    expect(texts.map((text) => JSON.parse(text).created)).toEqual([7, 7, 7]);
  });

  it.each([
    [
      'blanks and line ends',
      '{ "id" : "chatcmpl-1",\t"created":7, "object":"chat.completion.chunk","model" :\t"up" ,"choices":[ {"index":0,"delta":{"content":"x"} ,"finish_reason":null}]  }',
    ],
    [
      'another order',
      '{"choices":[{"finish_reason":null,"delta":{"content":"x"},"index":0}],"model":"up","object":"chat.completion.chunk","created":7,"id":"chatcmpl-1"}',
    ],
    [
      'numbers that JavaScript cannot hold',
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","model":"up","seed":9007199254740993123,"p":1.10,"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null,"logprobs":null}],"usage":null}',
    ],
    [
      'escapes',
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"\\u00e9\\/\\ud83d\\ude00"},"finish_reason":null}],"obfuscation":"a\\u0062"}',
    ],
    [
      'a tool call',
      '{"id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"tool_calls":[{"index":0, "id":"a","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}',
    ],
  ])('keeps a clean chunk with %s as it is', (_name, clean) => {
    const { texts } = stream(ROLE, clean);
    expect(texts[1]).toBe(clean.replace('"up"', '"aegis-test"'));
  });

  it('writes an unclean chunk anew, and only that one', () => {
    const clean =
      '{ "id":"chatcmpl-1","created":7,"object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}';
    const unclean = clean.replace('"content":"x"', '"role":"assistant","content":"y"');
    const { texts } = stream(ROLE, unclean, clean);
    expect(texts[1]).toBe(
      JSON.stringify({
        ...JSON.parse(clean),
        model: 'aegis-test',
        choices: [{ index: 0, delta: { content: 'y' }, finish_reason: null }],
      }),
    );
    expect(texts[2]).toBe(clean.replace('"up"', '"aegis-test"'));
  });

  it('has a chunk for each chunk of a clean stream, and none besides', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const chunks = [ROLE, chunk({ content: 'a' }), chunk({}, 'stop'), { ...HEAD, choices: [], usage }];
    const named = chunks.map((item) => ({ ...item, model: 'aegis-test' }));
    const { texts } = stream(...chunks, DONE);
    expect(texts.map((text) => JSON.parse(text))).toMatchObject(named);
    expect(texts).toHaveLength(4);
  });

  it("gives Azure's prompt annotations the id of the answer they belong to", () => {
    const { texts, error } = stream(
      { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
      ROLE,
      chunk({}, 'stop'),
      DONE,
    );
    expect(error).toBeNull();
    expect(JSON.parse(texts[0] ?? '')).toEqual({
      ...HEAD,
      model: 'aegis-test',
      choices: [],
      prompt_filter_results: [{ prompt_index: 0 }],
    });
  });

  it("keeps Azure's filter results, those that come after the finish too", () => {
    const late = {
      ...HEAD,
      choices: [
        {
          index: 0,
          finish_reason: null,
          content_filter_results: { hate: {} },
          content_filter_offsets: { check_offset: 1 },
        },
      ],
    };
    const finish = {
      ...HEAD,
      choices: [{ index: 0, delta: {}, finish_reason: 'stop', content_filter_results: { violence: {} } }],
    };
    const { texts } = stream(ROLE, chunk({ content: 'a' }), finish, late, DONE);
    expect(texts.join()).toContain('check_offset');
    expect(JSON.parse(texts.at(-1) ?? '').choices[0]).toMatchObject({
      finish_reason: 'stop',
      content_filter_results: { violence: {} },
    });
  });

  it('begins each choice with a role, and says it once', () => {
    const { texts } = stream(
      chunk({ content: 'a' }),
      chunk({ role: 'assistant', content: 'b' }),
      chunk({ content: 'c' }, null, 1),
      chunk({}, 'stop'),
      chunk({}, 'length', 1),
      DONE,
    );
    const { choices, faults } = joinChunks(texts);
    expect(faults).toEqual([]);
    expect(choices.map(({ content, finishReasons }) => [content, finishReasons])).toEqual([
      ['ab', ['stop']],
      ['c', ['length']],
    ]);
  });

  it('numbers tool calls from 0 where the server omits, repeats or starts its numbers elsewhere', () => {
    const tool = (fields: object): object => chunk({ tool_calls: [fields] });
    const call = (name: string, text: unknown): object => ({ function: { name, arguments: text } });
    const tools = (...calls: object[]): unknown => {
      const { texts } = stream(ROLE, ...calls.map(tool), chunk({}, 'tool_calls'), DONE);
      const { choices, faults } = joinChunks(texts);
      expect(faults).toEqual([]);
      return choices[0]?.tools;
    };
    const expected = [
      { id: 'a', name: 'x', arguments: '{"n":1}' },
      { id: 'b', name: 'y', arguments: '{}' },
    ];
    const ids = (index?: number): object => (index === undefined ? {} : { index });
    expect(
      tools({ id: 'a', ...call('x', '{"n"') }, { function: { arguments: ':1}' } }, { id: 'b', ...call('y', '') }),
    ).toEqual(expected);
    expect(tools({ id: 'a', ...ids(0), ...call('x', '{"n":1}') }, { id: 'b', ...ids(0), ...call('y', {}) })).toEqual(
      expected,
    );
    expect(
      tools(
        { id: 'a', ...ids(3), ...call('x', '{"n"') },
        { id: 'a', ...ids(3), type: 'function', ...call('x', ':1}') },
        { id: 'b', ...ids(5), ...call('y', null) },
      ),
    ).toEqual(expected);
    expect(tools({ ...ids(0), ...call('x', '{"n":1}') })).toEqual([
      { id: 'call_req-1_0_0', name: 'x', arguments: '{"n":1}' },
    ]);
  });

  it('finishes once, at the end, where the server finishes early or twice', () => {
    const { texts } = stream(
      ROLE,
      chunk({ content: 'a' }, 'stop'),
      chunk({ content: 'b' }),
      chunk({}, 'length'),
      chunk({ content: '' }),
      DONE,
    );
    const { choices, faults } = joinChunks(texts);
    expect(faults).toEqual([]);
    expect(choices[0]).toMatchObject({ content: 'ab', finishReasons: ['length'] });
  });

  it('shows usage once, in a chunk of its own, and the last count where there are several', () => {
    const usage = (completion: number): object => ({
      prompt_tokens: 3,
      completion_tokens: completion,
      total_tokens: 3 + completion,
    });
    const { texts, usage: counted } = stream(
      { ...ROLE, usage: usage(0) },
      { ...chunk({ content: 'a' }), usage: usage(1) },
      { ...chunk({}, 'stop'), usage: usage(2) },
      DONE,
    );
    const joined = joinChunks(texts);
    expect(joined.faults).toEqual([]);
    expect(joined.usage).toEqual([usage(2)]);
    expect(counted).toMatchObject({ promptTokens: 3, completionTokens: 2, totalTokens: 5 });
  });

  it('is whole with a finish for every choice and without [DONE]', () => {
    expect(stream(ROLE, chunk({ content: 'a' }), chunk({}, 'stop'))).toMatchObject({ error: null });
    expect(stream(ROLE, chunk({ content: 'b' }, null, 1), chunk({}, 'stop')).error?.code).toBe(
      'upstream_invalid_response',
    );
  });

  it('is cut off without [DONE] where a usage count was still to come', () => {
    const awaiting = { ...HEAD, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    expect(stream(ROLE, awaiting).error?.code).toBe('upstream_invalid_response');
    expect(stream(ROLE, awaiting, DONE).error).toBeNull();
    expect(stream(ROLE, awaiting, { ...HEAD, choices: [], usage }).error).toBeNull();
  });

  it('is whole with [DONE] where a finish never came, and not with [DONE] alone', () => {
    const { texts, error } = stream(ROLE, chunk({ content: 'a' }), DONE);
    expect(error).toBeNull();
    expect(joinChunks(texts).choices[0]?.finishReasons).toEqual(['stop']);
    expect(stream(DONE).error?.code).toBe('upstream_invalid_response');
  });

  it('says nothing more after [DONE]', () => {
    const before = stream(ROLE, chunk({}, 'stop'), DONE).texts;
    expect(stream(ROLE, chunk({}, 'stop'), DONE, chunk({ content: 'late' }), DONE).texts).toEqual(before);
  });

  it.each([
    [{ error: { message: 'm', type: 'server_error' } }, 'transient'],
    [{ error: { message: 'm', code: 429 } }, 'rate_limited'],
    [{ error: { message: 'm', code: 'rate_limit_exceeded' } }, 'rate_limited'],
    [{ error: { message: 'm', code: 502, metadata: {} }, ...chunk({ content: '' }, 'error') }, 'transient'],
    [{ error: 'm' }, 'transient'],
    [{ object: 'error', message: 'm', type: 'BadRequestError', code: 400 }, 'caller'],
    [chunk({}, 'error'), 'transient'],
    [chunk({}, 'abort'), 'transient'],
  ])('fails where an event is %j', (event, disposition) => {
    const { error, texts } = stream(ROLE, event, DONE);
    expect(error).toMatchObject({ disposition });
    expect(joinChunks(texts).choices[0]?.finishReasons).toEqual([]);
  });

  it('fails on an event named error, and passes over other named events that are no chunks', () => {
    const run = (name: string): TranslatedStream =>
      translateStream(adapter, [
        Buffer.from(
          `data: ${JSON.stringify(ROLE)}\n\nevent: ${name}\ndata: {"message":"m"}\n\ndata: ${JSON.stringify(chunk({}, 'stop'))}\n\n`,
        ),
      ]);
    expect(run('error').error).toMatchObject({ disposition: 'transient' });
    expect(run('ping').error).toBeNull();
    expect(run('message').error).toMatchObject({ disposition: 'invalid' });
  });
});
