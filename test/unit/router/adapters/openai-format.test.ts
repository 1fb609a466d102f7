import type { ChatCompletion } from '../../../../src/domain/chat.js';
import { scanJson } from '../../../../src/domain/json-scan.js';
import { RequestBody } from '../../../../src/domain/request-body.js';
import { AzureOpenAiAdapter } from '../../../../src/router/adapters/azure-openai.adapter.js';
import { OpenAiAdapter } from '../../../../src/router/adapters/openai.adapter.js';
import { VllmAdapter } from '../../../../src/router/adapters/vllm.adapter.js';
import { loadOpenAiSchema } from '../../../support/openai-schema.js';
import { screened } from '../../../support/screened-requests.js';
import { CONTEXT, joinChunks, type TranslatedStream, translateStream } from '../../../support/streamed-answers.js';
import { targetOf } from '../../../support/targets.js';

const adapter = new OpenAiAdapter();
const schema = loadOpenAiSchema();

const HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 7, model: 'upstream-model' };
const DONE = '[DONE]';

function stream(...data: readonly (object | string)[]): TranslatedStream {
  const text = data.map((item) => `data: ${typeof item === 'string' ? item : JSON.stringify(item)}\n\n`).join('');
  return translateStream(adapter, [Buffer.from(text)]);
}

function chunk(delta: object, finishReason: string | null = null, index = 0): object {
  return { ...HEAD, choices: [{ index, delta, finish_reason: finishReason }] };
}

const ROLE = chunk({ role: 'assistant', content: '' });

function parse(answer: object): ChatCompletion {
  const { completion } = adapter.parseCompletion(Buffer.from(JSON.stringify(answer)), CONTEXT);
  expect(schema?.checkCompletion(completion) ?? []).toEqual([]);
  return completion;
}

describe("a request in OpenAI's format", () => {
  it("keeps the client's bytes but for the model and the usage count", () => {
    const bytes = Buffer.from(
      '{ "seed": 9007199254740993, "model":"alias" , "messages":[{"role":"user","content":"\\u00e9"}],"stream":true}',
    );
    const request = { ...screened({ stream: true }), body: new RequestBody(bytes, scanJson(bytes, 64).members) };
    const { body } = adapter.buildRequest(request, targetOf('openai'));
    expect(body.toString()).toBe(
      '{"stream_options":{"include_usage":true}, "seed": 9007199254740993, "model":"upstream-model" , "messages":[{"role":"user","content":"\\u00e9"}],"stream":true}',
    );
  });

  it('always asks for the usage of a stream, beside what the client asks for', () => {
    const options = (stream_options: { include_usage?: boolean } | null): unknown =>
      JSON.parse(adapter.buildRequest(screened({ stream: true, stream_options }), targetOf('openai')).body.toString())
        .stream_options;
    expect(options(null)).toEqual({ include_usage: true });
    expect(options({ include_usage: false })).toEqual({ include_usage: true });
    expect(options({ include_obfuscation: false } as object)).toEqual({
      include_obfuscation: false,
      include_usage: true,
    });
    const plain = JSON.parse(adapter.buildRequest(screened({}), targetOf('openai')).body.toString());
    expect(plain).not.toHaveProperty('stream_options');
  });

  it('lets no model or alias reach the address', () => {
    const { url } = adapter.buildRequest(screened({ model: '../../x?a=' }), targetOf('openai'));
    expect(url).toBe('https://upstream.test/v1/chat/completions');
  });
});

describe('a request to Azure OpenAI', () => {
  const azure = new AzureOpenAiAdapter();
  const baseUrl = 'https://team.openai.azure.com';
  const urlOf = (apiVersion: string, deployment: string | null = 'prod', base = baseUrl): string =>
    azure.buildRequest(
      screened({}),
      targetOf('azure_openai', { provider: { apiVersion, baseUrl: base }, target: { deployment } }),
    ).url;

  it('names the deployment in the path for dated versions', () => {
    expect(urlOf('2024-10-21')).toBe(`${baseUrl}/openai/deployments/prod/chat/completions?api-version=2024-10-21`);
    expect(urlOf('2024-10-21', null)).toContain('/deployments/upstream-model/');
  });

  it('names it in the body for version 1', () => {
    expect(urlOf('v1')).toBe(`${baseUrl}/openai/v1/chat/completions`);
    expect(urlOf('')).toBe(`${baseUrl}/openai/v1/chat/completions`);
    expect(urlOf('preview')).toBe(`${baseUrl}/openai/v1/chat/completions?api-version=preview`);
    expect(urlOf('v1', 'prod', `${baseUrl}/openai/v1`)).toBe(`${baseUrl}/openai/v1/chat/completions`);
    const { body } = azure.buildRequest(screened({}), targetOf('azure_openai', { provider: { apiVersion: 'v1' } }));
    expect(JSON.parse(body.toString()).model).toBe('a-deployment');
  });

  it('keeps a deployment within its place in the path', () => {
    expect(urlOf('2024-10-21', 'a/../b?c#d')).toContain('/deployments/a%2F..%2Fb%3Fc%23d/chat/');
    expect(() => urlOf('2024-10-21', '..')).toThrow(/path/);
  });

  it('sends the credential as `api-key`', () => {
    const { headers } = azure.buildRequest(screened({}), targetOf('azure_openai'));
    expect(headers['api-key']).toBe('a-credential');
    expect(headers).not.toHaveProperty('authorization');
  });
});

describe("an answer in OpenAI's format", () => {
  it('gets what its server left out', () => {
    const completion = parse({ choices: [{ message: { content: 'Hi' } }] });
    expect(completion).toEqual({
      id: 'chatcmpl-req-1',
      object: 'chat.completion',
      created: CONTEXT.createdSeconds,
      model: 'aegis-test',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
    });
  });

  it('keeps what only its server knows', () => {
    const completion = parse({
      ...HEAD,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: '' },
          finish_reason: 'stop',
          content_filter_results: { hate: {} },
        },
      ],
      prompt_filter_results: [{ prompt_index: 0 }],
    });
    expect(completion.prompt_filter_results).toEqual([{ prompt_index: 0 }]);
    expect(completion.choices[0]?.content_filter_results).toEqual({ hate: {} });
  });

  it('of vLLM loses its nulls and tells its reasoning by the usual name', () => {
    const completion = parse({
      ...HEAD,
      service_tier: 'on_demand',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hi',
            reasoning: 'Hm',
            tool_calls: [],
            function_call: null,
            annotations: null,
          },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, prompt_tokens_details: null },
    });
    expect(completion.choices[0]?.message).toEqual({
      role: 'assistant',
      content: 'Hi',
      refusal: null,
      reasoning_content: 'Hm',
    });
    expect(completion.usage).toEqual({ prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 });
  });

  it('gets ids and texts for tool calls that lack them', () => {
    const tool_calls = [
      { function: { name: 'a', arguments: { x: 1 } } },
      { id: '', function: { name: 'b', arguments: '' } },
    ];
    const completion = parse({ choices: [{ message: { tool_calls }, finish_reason: '' }] });
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
    expect(completion.choices[0]?.message.tool_calls).toEqual([
      { id: 'call_req-1_0_0', type: 'function', function: { name: 'a', arguments: '{"x":1}' } },
      { id: 'call_req-1_0_1', type: 'function', function: { name: 'b', arguments: '{}' } },
    ]);
  });

  it('may give its content in parts', () => {
    const content = [
      { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
      { type: 'text', text: 'Hi' },
    ];
    expect(parse({ choices: [{ message: { content } }] }).choices[0]?.message).toMatchObject({
      content: 'Hi',
      reasoning_content: 'Hm',
    });
  });

  it.each([
    ['max_tokens', 'length'],
    ['model_length', 'length'],
    ['eos', 'stop'],
    ['STOP', 'stop'],
    ['tool_use', 'tool_calls'],
    ['constructor', 'stop'],
  ])('that finishes with %s finishes with %s', (theirs, ours) => {
    expect(parse({ choices: [{ message: {}, finish_reason: theirs }] }).choices[0]?.finish_reason).toBe(ours);
  });

  it('counts no more cached tokens than there were, and reasoning within the completion', () => {
    const usage = (fields: object): unknown =>
      adapter.parseCompletion(Buffer.from(JSON.stringify({ choices: [{ message: {} }], usage: fields })), CONTEXT)
        .usage;
    expect(
      usage({ prompt_tokens: 5, completion_tokens: 1, total_tokens: 6, prompt_tokens_details: { cached_tokens: 9 } }),
    ).toMatchObject({ promptTokens: 5, cachedPromptTokens: 5 });
    // xAI counts reasoning beside the completion.
    expect(
      usage({
        prompt_tokens: 5,
        completion_tokens: 1,
        total_tokens: 16,
        completion_tokens_details: { reasoning_tokens: 10 },
      }),
    ).toMatchObject({ completionTokens: 11, totalTokens: 16, reasoningTokens: 10 });
    // DeepSeek's name for cached tokens.
    expect(usage({ prompt_tokens: 5, completion_tokens: 1, prompt_cache_hit_tokens: 4 })).toMatchObject({
      cachedPromptTokens: 4,
      totalTokens: 6,
    });
  });
});

describe("a stream in OpenAI's format", () => {
  it('keeps the text of a clean chunk but for the model', () => {
    const clean =
      '{"id":"a","created":7,"object":"chat.completion.chunk", "model": "up", "x":12345678901234567890,"choices":[{"delta":{"content":"\\u00e9 \\"model\\":\\"up\\""},"index":0,"finish_reason":null}]}';
    const { texts } = stream(ROLE, clean, chunk({}, 'stop'), DONE);
    expect(texts[1]).toBe(clean.replace('"model": "up"', '"model": "aegis-test"'));
  });

  it.each([
    [
      'another key of that name comes first',
      '{"meta":{"model":"up"},"id":"a","created":7,"object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}',
    ],
    [
      'the word stands alone in the text',
      '{"id":"a","created":7,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"model"},"finish_reason":null}],"model":"up"}',
    ],
    [
      'it is written with an escape',
      '{"id":"a","created":7,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"model":"\\u0075p"}',
    ],
    [
      'there is none',
      '{"id":"a","created":7,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}',
    ],
  ])('names the right model where %s', (_name, text) => {
    const { texts } = stream(ROLE, text);
    const sent = JSON.parse(texts[1] ?? '');
    expect(sent).toEqual({ ...JSON.parse(text), model: 'aegis-test' });
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

describe("an error in OpenAI's format", () => {
  const fault = (status: number, body: unknown, adapterOf = adapter as OpenAiAdapter | VllmAdapter) =>
    adapterOf.parseError(status, {}, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));

  it.each([
    [
      'OpenAI',
      { error: { message: 'No.', type: 't', param: 'p', code: 'c' } },
      { message: 'No.', type: 't', param: 'p', wireCode: 'c' },
    ],
    [
      'vLLM',
      { object: 'error', message: 'No.', type: 'BadRequestError', param: null, code: 400 },
      { message: 'No.', type: 'BadRequestError', wireCode: '400' },
    ],
    ['a bare text', { error: 'No.' }, { message: 'No.', type: 'invalid_request_error', wireCode: null }],
    ['FastAPI', { detail: 'No.' }, { message: 'No.' }],
    [
      'FastAPI with places',
      {
        detail: [
          { loc: ['body', 'messages', 0], msg: 'missing' },
          { loc: ['body', 'n'], msg: 'bad' },
        ],
      },
      { message: 'messages.0: missing; n: bad', param: 'messages.0' },
    ],
    [
      'Google',
      [{ error: { code: 400, message: 'No.', status: 'INVALID_ARGUMENT' } }],
      { message: 'No.', wireCode: '400' },
    ],
    ['HTML', '<html><h1>Bad</h1></html>', { message: expect.stringContaining('HTTP 400') }],
    ['nothing', '', { message: expect.stringContaining('HTTP 400') }],
  ])('is read as %s writes it', (_name, body, expected) => {
    expect(fault(400, body)).toMatchObject({ disposition: 'caller', status: 400, ...expected });
  });

  it("names Azure's content filter by our code", () => {
    const filtered = {
      error: {
        message: 'Filtered.',
        param: 'prompt',
        code: 'content_filter',
        innererror: { code: 'ResponsibleAIPolicyViolation' },
      },
    };
    expect(fault(400, filtered)).toMatchObject({
      code: 'content_filter',
      wireCode: 'content_filter',
      status: 400,
      type: 'invalid_request_error',
      param: 'prompt',
    });
  });

  it.each([
    [{ error: { message: 'm', code: 'insufficient_quota' } }],
    [{ error: { message: 'm', type: 'insufficient_quota' } }],
    [{ error: { message: 'Request too large for gpt-4: Limit 10, Requested 20.', code: 'rate_limit_exceeded' } }],
  ])('knows a limit that no wait can mend: %j', (body) => {
    expect(fault(429, body)).toMatchObject({ disposition: 'exhausted', mayTryElsewhere: true });
  });

  it('never restates a part of a credential', () => {
    expect(fault(400, { error: { message: 'API key not valid: sk-proj-abc123' } })).toMatchObject({
      disposition: 'credential',
    });
    expect(fault(400, { error: { message: 'No sk-proj-abc123 here' } }).message).toBe('No [redacted] here');
  });

  it('restates no more of a long message than a client can use', () => {
    expect(fault(400, { error: { message: 'x'.repeat(100_000) } }).message.length).toBeLessThan(2_100);
  });
});
