import { scanJson } from '../../../../src/domain/json-scan.js';
import { RequestBody } from '../../../../src/domain/request-body.js';
import { OpenAiCompatibleAdapter } from '../../../../src/router/adapters/openai-compatible.adapter.js';
import { VllmAdapter } from '../../../../src/router/adapters/vllm.adapter.js';
import { screened } from '../../../support/screened-requests.js';
import { CONTEXT, joinChunks, translateStream } from '../../../support/streamed-answers.js';
import { targetOf } from '../../../support/targets.js';
import { adapter, choicesOf, chunk, DONE, HEAD, parse, ROLE, stream } from './openai-wire.js';

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const named = (type: string, data: string): string => `event: ${type}\ndata: ${data}\n\n`;
const data = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const run = (...pieces: readonly string[]) => translateStream(adapter, [Buffer.from(pieces.join(''))]);

describe('a request to a server with parameters of its own', () => {
  it.each([new VllmAdapter(), new OpenAiCompatibleAdapter(), adapter])(
    'of type $type carries them as they are',
    (by) => {
      const own =
        '"guided_json": {"type":"object", "x":1.0}, "structured_outputs":{"regex":"\\u0061+"},"top_k" : 40,"min_p":5e-2,' +
        '"chat_template_kwargs":{"enable_thinking":false},"repetition_penalty":1.10,"stop_token_ids":[9007199254740993],' +
        '"logit_bias":{},"prompt_logprobs":1,"kv_transfer_params":{"a":null},"extra_body":{"stream_options":{}}';
      const bytes = Buffer.from(`{"model":"alias",${own},"messages":[]}`);
      const body = new RequestBody(bytes, scanJson(bytes, 64).members);
      const sent = by.buildRequest({ ...screened({}), body }, targetOf(by.type)).body.toString();
      expect(sent).toBe(`{"model":"upstream-model",${own},"messages":[]}`);
    },
  );
});

describe('an answer of a server with habits of its own', () => {
  it('of vLLM keeps what it tells of its tokens', () => {
    const own = {
      prompt_logprobs: [null, { 5: { logprob: -1 } }],
      prompt_token_ids: [1],
      kv_transfer_params: { a: 1 },
    };
    const choice = { message: { content: 'Hi' }, finish_reason: 'stop', stop_reason: 128_009, token_ids: [5, 6] };
    const completion = parse({ ...HEAD, ...own, choices: [choice] });
    expect(completion).toMatchObject({ ...own, choices: [{ stop_reason: 128_009, token_ids: [5, 6] }] });
  });

  it.each([
    ['reasoning', { reasoning: 'Hm' }],
    ['reasoning_content', { reasoning_content: 'Hm' }],
    ['both', { reasoning: 'Hm', reasoning_content: 'Hm' }],
    ['reasoning_details in texts', { reasoning_details: [{ type: 'reasoning.text', text: 'Hm', signature: 's' }] }],
    ['reasoning_details in summaries', { reasoning_details: [{ type: 'reasoning.summary', summary: 'Hm' }] }],
    ['parts', { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] }],
    ['parts of reasoning', { content: [{ type: 'reasoning', text: 'Hm' }] }],
    [
      'parts of summaries (Databricks)',
      { content: [{ type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm', signature: 's' }] }] },
    ],
  ])('tells its reasoning by one name, told as %s', (_name, said) => {
    expect(parse({ choices: [{ message: said }] }).choices[0]?.message.reasoning_content).toBe('Hm');
    const { reasoning } = choicesOf(stream(ROLE, chunk(said), chunk({ content: 'Hi' }, 'stop'), DONE))[0] ?? {};
    expect(reasoning).toBe('Hm');
  });

  it('may begin with blanks or a byte order mark, as servers send to keep a connection open', () => {
    for (const before of ['\n\n   \n', '\uFEFF']) {
      const body = Buffer.from(`${before}{"choices":[{"message":{"content":"Hi"}}]}`);
      expect(adapter.parseCompletion(body, CONTEXT).completion.choices[0]?.message.content).toBe('Hi');
    }
  });

  it('may give one content part, a refusal that is none, and a call with an object for arguments', () => {
    const message = {
      content: { type: 'text', text: 'Hi' },
      refusal: false,
      function_call: { name: 'a', arguments: { n: 1 } },
    };
    expect(parse({ choices: [{ message }] }).choices[0]?.message).toMatchObject({
      content: 'Hi',
      refusal: null,
      function_call: { name: 'a', arguments: '{"n":1}' },
    });
  });

  it('may give several calls one id: each gets its own, so that a result can tell which it answers', () => {
    const call = { id: 'call', type: 'function', function: { name: 'a', arguments: '{}' } };
    const { tool_calls: calls } =
      parse({ choices: [{ message: { tool_calls: [call, call] } }] }).choices[0]?.message ?? {};
    expect(calls?.[0]?.id).toBe('call');
    expect(new Set(calls?.map(({ id }) => id)).size).toBe(2);
  });

  it('without a count says none: an empty usage is no answer that cost nothing', () => {
    const body = Buffer.from('{"choices":[{"message":{"content":"Hi"}}],"usage":{}}');
    const { completion, usage: counted } = adapter.parseCompletion(body, CONTEXT);
    expect([counted, 'usage' in completion]).toEqual([null, false]);
  });

  it.each([
    ['content_filter: RECITATION', 'content_filter'],
    ['SAFETY', 'content_filter'],
    ['sensitive', 'content_filter'],
    ['MAX_TOKENS', 'length'],
    ['max_new_tokens', 'length'],
    ['eos_token', 'stop'],
    ['end_turn', 'stop'],
    ['', 'stop'],
  ])('that finishes with "%s" finishes with %s', (theirs, ours) => {
    expect(parse({ choices: [{ message: { content: 'Hi' }, finish_reason: theirs }] }).choices[0]?.finish_reason).toBe(
      ours,
    );
    expect(choicesOf(stream(ROLE, chunk({ content: 'Hi' }), chunk({}, theirs), DONE))[0]?.finishReasons).toEqual([
      ours,
    ]);
  });

  it.each([
    [{ error: { message: 'm', code: 429 } }, 'rate_limited'],
    [{ error: 'm', error_type: 'overloaded' }, 'transient'],
    [[{ error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED' } }], 'rate_limited'],
    [{ error: { message: 'm', type: 'BadRequestError', param: null, code: 400 } }, 'caller'],
    [{ object: 'error', message: 'm', type: 'BadRequestError', code: 400 }, 'caller'],
    [{ type: 'error', code: '400', message: 'm', sequence_number: 5 }, 'caller'],
    [{ error: true, message: 'm' }, 'transient'],
    [{ error: ['m'] }, 'transient'],
    [{ choices: [{ message: { content: '' }, finish_reason: 'error' }] }, 'transient'],
    [{ choices: [{ message: { content: '' }, finish_reason: 'network_error' }] }, 'transient'],
  ])('that says it is an error under status 200 is one: %j', (body, disposition) => {
    expect(() => adapter.parseCompletion(Buffer.from(JSON.stringify(body)), CONTEXT)).toThrow(
      expect.objectContaining({ disposition }),
    );
    if (!Array.isArray(body) && 'choices' in body) return;
    expect(run(data(ROLE), data(chunk({ content: 'Hi' })), data(body)).error).toMatchObject({ disposition });
  });

  it('of which a choice tells of its own failure is no whole one (OpenRouter)', () => {
    const error = { code: 429, message: 'm' };
    for (const finish_reason of [null, 'stop']) {
      const whole = { choices: [{ message: { content: 'Hi' }, finish_reason, error }] };
      const thrown = expect.objectContaining({ disposition: 'rate_limited' });
      expect(() => adapter.parseCompletion(Buffer.from(JSON.stringify(whole)), CONTEXT)).toThrow(thrown);
      const last = { ...HEAD, choices: [{ index: 0, delta: { content: '' }, finish_reason, error }] };
      expect(stream(ROLE, chunk({ content: 'Hi' }), last, DONE).error).toMatchObject({ disposition: 'rate_limited' });
    }
  });

  it.each([[null], [false], [''], [{}]])('beside which an error is %j is whole', (error) => {
    expect(parse({ error, choices: [{ error, message: { content: 'Hi' } }] }).choices[0]?.message.content).toBe('Hi');
    expect(choicesOf(stream(ROLE, { ...chunk({ content: 'Hi' }, 'stop'), error }, DONE))[0]?.content).toBe('Hi');
  });
});

describe('a stream of a server with habits of its own', () => {
  const expected = [expect.objectContaining({ content: 'Hi', finishReasons: ['stop'] })];

  it.each<[string, readonly string[]]>([
    [
      'comments between events (OpenRouter)',
      [
        ': OPENROUTER PROCESSING\n\n',
        data(ROLE),
        ': OPENROUTER PROCESSING\n\n',
        data(chunk({ content: 'Hi' }, 'stop')),
      ],
    ],
    ['keep-alive comments (DeepSeek)', [': keep-alive\n\n', data(ROLE), data(chunk({ content: 'Hi' }, 'stop'))]],
    [
      'named heartbeats',
      [
        named('ping', '{}'),
        data(ROLE),
        named('keepalive', 'still here'),
        named('heartbeat', ''),
        data(chunk({ content: 'Hi' }, 'stop')),
      ],
    ],
    ['a ping without a name', [data(ROLE), data({ type: 'ping' }), data(chunk({ content: 'Hi' }, 'stop'))]],
    [
      'named chunks',
      [
        named('completion', JSON.stringify(ROLE)),
        named('completion', JSON.stringify(chunk({ content: 'Hi' }, 'stop'))),
        named('done', '[DONE]'),
      ],
    ],
    [
      'choices that are null, or missing, beside the usage',
      [data(ROLE), data({ ...HEAD, choices: null }), data(chunk({ content: 'Hi' }, 'stop')), data({ ...HEAD, usage })],
    ],
    ['a chunk without choices', [data(ROLE), data({ ...HEAD, timings: {} }), data(chunk({ content: 'Hi' }, 'stop'))]],
    [
      'a delta that is null, or missing',
      [
        data(ROLE),
        data({ ...HEAD, choices: [{ index: 0, delta: null }] }),
        data({ ...HEAD, choices: [{}] }),
        data(chunk({ content: 'Hi' }, 'stop')),
      ],
    ],
    [
      'a role in every chunk, an index in none',
      [
        data({ choices: [{ delta: { role: 'assistant', content: 'H' } }] }),
        data({ choices: [{ delta: { role: 'assistant', content: 'i' }, finish_reason: 'stop' }] }),
      ],
    ],
    [
      'roles of its own',
      [data(chunk({ role: 'model', content: 'H' })), data(chunk({ role: null, content: 'i' }, 'stop'))],
    ],
    [
      'an index that is a text',
      [data({ ...HEAD, choices: [{ index: '0', delta: { content: 'Hi' }, finish_reason: 'stop' }] })],
    ],
    [
      'a finish that is an empty text until the last',
      [data(chunk({ role: 'assistant', content: 'Hi' }, '')), data(chunk({}, 'stop'))],
    ],
    [
      'the whole message in one chunk',
      [
        data({
          ...HEAD,
          object: 'chat.completion',
          choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
        }),
      ],
    ],
    [
      'the message so far beside each delta (Perplexity)',
      [
        data({
          ...HEAD,
          citations: ['u'],
          choices: [{ index: 0, delta: { content: 'H' }, message: { content: 'H' } }],
        }),
        data({
          ...HEAD,
          choices: [{ index: 0, delta: { content: 'i' }, message: { content: 'Hi' }, finish_reason: 'stop' }],
        }),
      ],
    ],
    [
      'tool calls, refusals and calls that are null',
      [
        data(
          chunk(
            { role: 'assistant', content: 'Hi', tool_calls: null, refusal: null, function_call: null, audio: null },
            'stop',
          ),
        ),
      ],
    ],
    [
      'no content in the last chunk',
      [data(chunk({ role: 'assistant', content: 'Hi' })), data(chunk({ content: null }, 'stop'))],
    ],
  ])('is whole with %s', (_name, pieces) => {
    expect(choicesOf(run(...pieces))).toEqual(expected);
    expect(choicesOf(run(...pieces, 'data: [DONE]\n\n'))).toEqual(expected);
  });

  it('has one id, whatever ids its chunks have', () => {
    const { texts } = run(data({ ...ROLE, id: 'a' }), data({ ...chunk({ content: 'Hi' }, 'stop'), id: 'b' }));
    expect(new Set(texts.map((text) => JSON.parse(text).id))).toEqual(new Set(['a']));
  });

  it.each<[string, readonly object[]]>([
    ['in a chunk of its own', [chunk({ content: 'Hi' }, 'stop'), { ...HEAD, choices: [], usage }]],
    ['with the finish', [{ ...chunk({ content: 'Hi' }, 'stop'), usage }]],
    [
      'with every chunk',
      [
        { ...chunk({ content: 'H' }), usage: { ...usage, completion_tokens: 1 } },
        { ...chunk({ content: 'i' }, 'stop'), usage },
      ],
    ],
    ['before the finish', [{ ...chunk({ content: 'Hi' }), usage }, chunk({}, 'stop')]],
    [
      'after chunks with an empty one (LiteLLM)',
      [
        { ...chunk({ content: 'Hi' }, 'stop'), usage: {} },
        { ...HEAD, choices: [], usage },
        { ...HEAD, choices: [], usage: {} },
      ],
    ],
  ])('tells its count once, given %s', (_name, chunks) => {
    const { texts, usage: counted } = stream(ROLE, ...chunks, DONE);
    expect(joinChunks(texts)).toMatchObject({ faults: [], usage: [usage] });
    expect(counted).toMatchObject({ promptTokens: 7, completionTokens: 3 });
  });

  it.each<[string, object]>([
    ['x_groq', { ...chunk({}, 'stop'), x_groq: { id: 'req', usage: { ...usage, queue_time: 0.1 } } }],
    ['the choice', { ...HEAD, choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage }] }],
  ])('is counted where its count stands in %s', (_name, last) => {
    expect(stream(ROLE, chunk({ content: 'Hi' }), last, DONE).usage).toMatchObject({
      promptTokens: 7,
      completionTokens: 3,
    });
  });

  it('keeps what else its chunks tell: citations, timings, tokens', () => {
    const own = {
      citations: ['https://a.test'],
      timings: { predicted_n: 3 },
      token_ids: [1],
      time_info: { queue_time: 1 },
    };
    expect(JSON.parse(stream(ROLE, { ...chunk({ content: 'Hi' }), ...own }, DONE).texts[1] ?? '')).toMatchObject(own);
  });

  it('fails on an event named error, whatever it says', () => {
    for (const said of ['overloaded', '{"message":"m"}', '{"error":"m"}', '"m"', '']) {
      const { error, texts } = run(
        data(ROLE),
        data(chunk({ content: 'Hi' })),
        named('error', said),
        data(chunk({}, 'stop')),
      );
      expect([said, error?.code]).toEqual([said, 'upstream_error']);
      expect(joinChunks(texts).choices[0]?.finishReasons).toEqual([]);
    }
  });
});
