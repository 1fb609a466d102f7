import { gzipSync } from 'node:zlib';
import { APIError } from 'openai';
import type { ChatCompletion } from 'openai/resources/chat/completions';
import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import {
  chunkEvent,
  completionAnswer,
  jsonAnswer,
  ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../support/scriptable-upstream.js';

const MEBIBYTE = 1024 * 1024;
const GZIP_BOMB = gzipSync(Buffer.alloc(100 * MEBIBYTE, ' '));
const JSON_TYPE = { 'content-type': 'application/json' };
const STREAM_TYPE = { 'content-type': 'text/event-stream' };
const PROVIDERS = ['openai', 'azure_openai', 'vllm', 'openai_compatible', 'anthropic'] as const;
type ProviderName = (typeof PROVIDERS)[number];

const OPENAI_ANSWER = String(completionAnswer('Hello.').body);
const ANTHROPIC_ANSWER = JSON.stringify({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude',
  content: [{ type: 'text', text: 'Hello.' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 9, output_tokens: 3 },
});
const ANTHROPIC_EVENTS = [
  { type: 'message_start', message: { ...JSON.parse(ANTHROPIC_ANSWER), content: [], stop_reason: null } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello.' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 3 } },
  { type: 'message_stop' },
].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);

const answerOf = (provider: ProviderName): string => (provider === 'anthropic' ? ANTHROPIC_ANSWER : OPENAI_ANSWER);
/** The beginning of a stream, up to and with its first text. */
const beginningOf = (provider: ProviderName): string[] =>
  provider === 'anthropic'
    ? ANTHROPIC_EVENTS.slice(0, 3)
    : [chunkEvent({ role: 'assistant', content: '' }), chunkEvent({ content: 'Hello.' })];
const json = (body: string | Buffer, headers: Record<string, string> = {}): ScriptedAnswer => ({
  headers: { ...JSON_TYPE, ...headers },
  body,
});
const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
/** The provider's own answer with a member before the others. */
const withMember = (provider: ProviderName, member: string): string => `{${member},${answerOf(provider).slice(1)}`;
const choice = (fields: object): string => JSON.stringify({ ...JSON.parse(OPENAI_ANSWER), ...fields });
const message = (fields: object): string =>
  choice({ choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi', ...fields } }] });

/** Bodies that are no answer, whether the client asked for JSON or for a stream. */
const NO_ANSWERS: readonly (readonly [string, (provider: ProviderName) => ScriptedAnswer])[] = [
  ['JSON that breaks off', (provider) => json(answerOf(provider).slice(0, -20))],
  ['nothing', () => json('')],
  ['only blanks', () => json(' \n\n ')],
  ['no body at all (204)', () => ({ status: 204 })],
  ['null', () => json('null')],
  ['a list', () => json('[1,2,3]')],
  ['a text', () => json('"Hello."')],
  ['a number', () => json('12')],
  ['an object with nothing in it', () => json('{}')],
  ['HTML', () => ({ headers: { 'content-type': 'text/html' }, body: '<html><h1>Welcome</h1></html>' })],
  ['plain text', () => ({ headers: { 'content-type': 'text/plain' }, body: 'upstream connect error' })],
  ['bytes that are no text', () => json(Buffer.from([0xff, 0xfe, 0x00, 0x9c, 0x7b, 0x00]))],
  ['a zero byte inside a text', (provider) => json(answerOf(provider).replace('Hello.', 'Hel\0lo.'))],
  ['100,000 levels of nesting', (provider) => json(withMember(provider, `"deep":${nested(100_000)}`))],
  ['levels that are never closed', () => json('['.repeat(100_000))],
  ['plain text that says it is gzip', (provider) => json(answerOf(provider), { 'content-encoding': 'gzip' })],
  [
    'gzip that breaks off',
    (provider) => json(gzipSync(answerOf(provider)).subarray(0, 40), { 'content-encoding': 'gzip' }),
  ],
  ['a gzip bomb', () => json(GZIP_BOMB, { 'content-encoding': 'gzip' })],
  ['an encoding nobody knows', (provider) => json(answerOf(provider), { 'content-encoding': 'aegis-7' })],
  ['a redirect', () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/' } })],
  ['an answer that is not HTTP', () => ({ raw: 'SMTP 220 hello\r\n\r\n' })],
];

/** OpenAI-format answers with a wrong type in one place. */
const WRONG_TYPES: readonly (readonly [string, string])[] = [
  ['choices that are an object', choice({ choices: {} })],
  ['choices that are a text', choice({ choices: 'Hello.' })],
  ['no choices in the list', choice({ choices: [] })],
  ['a choice that is a text', choice({ choices: ['Hello.'] })],
  ['a choice that is null', choice({ choices: [null] })],
  ['an index that is a text', choice({ choices: [{ index: 'a', message: { content: 'Hi' } }] })],
  ['an index below 0', choice({ choices: [{ index: -1, message: { content: 'Hi' } }] })],
  ['an index of a billion', choice({ choices: [{ index: 1e9, message: { content: 'Hi' } }] })],
  ['a message that is a list', choice({ choices: [{ index: 0, message: [] }] })],
  ['a message that is a text', choice({ choices: [{ index: 0, message: 'Hello.' }] })],
  ['content that is a number', message({ content: 5 })],
  ['content that is true', message({ content: true })],
  ['tool calls that are an object', message({ tool_calls: {} })],
  ['a tool call that is a text', message({ tool_calls: ['x'] })],
  ['a usage that is a text', choice({ usage: 'x' })],
];

/** What comes after the first text of an OpenAI-format stream, and is no chunk. */
const BROKEN_CHUNKS: readonly (readonly [string, string])[] = [
  ['JSON that breaks off', 'data: {"choices":[{"index":0,"delta":{"conte\n\n'],
  ['plain text', 'data: upstream connect error\n\n'],
  ['null', 'data: null\n\n'],
  ['a list', 'data: []\n\n'],
  ['100,000 levels of nesting', `data: {"choices":[],"deep":${nested(100_000)}}\n\n`],
  ['choices that are an object', 'data: {"choices":{}}\n\n'],
  ['a choice that is a text', 'data: {"choices":["x"]}\n\n'],
  ['a delta that is a list', 'data: {"choices":[{"index":0,"delta":[]}]}\n\n'],
  ['content that is a number', 'data: {"choices":[{"index":0,"delta":{"content":5}}]}\n\n'],
  ['tool calls that are an object', 'data: {"choices":[{"index":0,"delta":{"tool_calls":{}}}]}\n\n'],
  ['a tool call that is a text', 'data: {"choices":[{"index":0,"delta":{"tool_calls":["x"]}}]}\n\n'],
  ['an index that is a text', 'data: {"choices":[{"index":"a","delta":{"content":"x"}}]}\n\n'],
  ['an index of a billion', 'data: {"choices":[{"index":1000000000,"delta":{"content":"x"}}]}\n\n'],
  ['a usage that is a text', 'data: {"choices":[],"usage":"x"}\n\n'],
  ['a zero byte inside a text', 'data: {"choices":[{"index":0,"delta":{"content":"x\0"}}]}\n\n'],
];

describe('what an upstream may answer', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    const settings = (name: ProviderName): object => ({
      type: name,
      base_url: name === 'azure_openai' ? upstream.url : `${upstream.url}/v1`,
      api_key: 'credential',
      ...(name === 'azure_openai' && { api_version: '2024-10-21' }),
    });
    gateway = await startTestGateway({
      gateway: { routing: { max_attempts: 1, max_cooldown: '0s', circuit_breaker: { enabled: false } } },
      providers: Object.fromEntries(PROVIDERS.map((name) => [name, settings(name)])),
      models: Object.fromEntries(
        PROVIDERS.map((name) => [
          name,
          {
            primary: {
              provider: name,
              model: 'm',
              classification_ceiling: 'RESTRICTED',
              ...(name === 'azure_openai' && { deployment: 'd' }),
            },
          },
        ]),
      ),
      freeModels: PROVIDERS.map((name) => `${name}/m`),
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());
  afterEach(async () => {
    // Nothing is left open, and the next request is served.
    while (upstream.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    upstream.script(completionAnswer('Still here.'));
    expect((await ask('openai')).choices[0]?.message.content).toBe('Still here.');
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect({}).not.toHaveProperty('polluted');
  });

  const messages = [{ role: 'user' as const, content: 'Hi.' }];

  function ask(model: ProviderName): Promise<ChatCompletion> {
    return gateway.openai().chat.completions.create({ model, messages });
  }

  /** The answer to a request for a stream, put together by the SDK. */
  function askForStream(model: ProviderName): Promise<ChatCompletion> {
    const body = { model, messages, stream_options: { include_usage: true } };
    return gateway.openai().chat.completions.stream(body).finalChatCompletion();
  }

  async function errorOf(answer: Promise<unknown>): Promise<APIError> {
    const outcome = await answer.then(
      (value) => value,
      (thrown: unknown) => thrown,
    );
    if (outcome instanceof APIError) return outcome;
    throw new Error(`Expected an API error, got ${JSON.stringify(outcome) ?? String(outcome)}.`);
  }

  /** The bytes a client gets. */
  async function rawStream(model: ProviderName): Promise<string> {
    const answer = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages, stream: true }),
    });
    let text = '';
    try {
      for await (const piece of answer.body) text += piece;
    } catch {
      // Cut without its end, as it must be.
    }
    return text;
  }

  describe.each(PROVIDERS)('%s', (provider) => {
    it.each(NO_ANSWERS)('%s is an invalid answer', async (_name, answer) => {
      upstream.script(answer(provider));
      expect(await errorOf(ask(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
      upstream.script(answer(provider));
      expect(await errorOf(askForStream(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
    });

    it('a stream is no answer to a request for JSON', async () => {
      const body = provider === 'anthropic' ? ANTHROPIC_EVENTS : streamAnswer(['Hello.']).body;
      upstream.script({ headers: STREAM_TYPE, ...(body && { body }) });
      expect(await errorOf(ask(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
    });

    it('JSON in answer to a request for a stream is served as a stream', async () => {
      upstream.script(json(answerOf(provider)));
      const { choices, usage } = await askForStream(provider);
      expect(choices).toMatchObject([{ message: { content: 'Hello.' }, finish_reason: 'stop' }]);
      expect(usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 3 });
      expect(await rawStream(provider)).toMatch(/data: \[DONE\]\n\n$/);
    });

    it('a body shorter than its length is a broken connection', async () => {
      const raw = (type: string, body: string): ScriptedAnswer => ({
        raw: `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: 100000\r\n\r\n${body}`,
      });
      upstream.script(raw('application/json', answerOf(provider)));
      expect(await errorOf(ask(provider))).toMatchObject({ status: 502, code: 'upstream_error' });
      upstream.script(raw('text/event-stream', beginningOf(provider).join('')));
      expect(await errorOf(askForStream(provider))).toMatchObject({ code: 'upstream_error' });
    });

    it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
      'a member called %s reaches no prototype',
      async (key) => {
        const member = `"${key}":{"polluted":true,"prototype":{"polluted":true}}`;
        const inside = (text: string): string => text.replace(/"role":/g, `${member},"role":`);
        upstream.script(json(inside(withMember(provider, member))));
        expect((await ask(provider)).choices[0]?.message.content).toBe('Hello.');
        const pieces = provider === 'anthropic' ? ANTHROPIC_EVENTS : (streamAnswer(['Hello.']).body as string[]);
        upstream.script({
          headers: STREAM_TYPE,
          body: pieces.map((piece) => inside(piece).replace('data: {', `data: {${member},`)),
        });
        expect(await rawStream(provider)).toMatch(/Hello\.[\s\S]*data: \[DONE\]\n\n$/);
      },
    );

    it('bytes that are no UTF-8 are replaced, as every client does', async () => {
      const broken = (text: string): Buffer => {
        const [before = '', after = ''] = text.split('Hello.');
        return Buffer.concat([Buffer.from(`${before}Hel`), Buffer.from([0xff]), Buffer.from(`lo.${after}`)]);
      };
      upstream.script(json(broken(answerOf(provider))));
      expect((await ask(provider)).choices[0]?.message.content).toBe('Hel\uFFFDlo.');
    });

    it('a body of 100 MiB is cut off at the limit, and its memory is given back', async () => {
      const before = process.memoryUsage().rss;
      const flood = (type: object, beginning: readonly string[], piece: string): ScriptedAnswer => ({
        headers: { ...type } as Record<string, string>,
        body: function* () {
          yield* beginning;
          for (let sent = 0; sent < 100; sent++) yield piece;
        },
      });
      const text = 'x'.repeat(MEBIBYTE);
      upstream.script(flood(JSON_TYPE, ['{"a":"'], text));
      expect(await errorOf(ask(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
      upstream.script(flood(STREAM_TYPE, ['data: {"a":"'], text));
      expect(await errorOf(askForStream(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
      upstream.script(flood(STREAM_TYPE, [...beginningOf(provider), 'data: {"a":"'], text));
      expect(await errorOf(askForStream(provider))).toMatchObject({ code: 'upstream_invalid_response' });
      upstream.script(flood(STREAM_TYPE, ['{"a":"'], text));
      expect(await errorOf(askForStream(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
      for (const call of upstream.requests) {
        await call.closed;
        expect(call.bytesSent).toBeLessThan(64 * MEBIBYTE);
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(400 * MEBIBYTE);
    });

    it.each([
      ['comments', ': still working\n'.repeat(4_000)],
      ['empty lines', '\n'.repeat(64 * 1024)],
      ['events without data', 'event: ping\n\n'.repeat(4_000)],
      ['unknown fields', 'x: y\n'.repeat(8_000)],
    ])('a stream of nothing but %s is cut off', async (_name, piece) => {
      const flood = (beginning: readonly string[]): ScriptedAnswer => ({
        headers: STREAM_TYPE,
        body: function* () {
          yield* beginning;
          for (;;) yield piece;
        },
      });
      upstream.script(flood([]));
      expect(await errorOf(askForStream(provider))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
      upstream.script(flood(beginningOf(provider)));
      expect(await errorOf(askForStream(provider))).toMatchObject({ code: 'upstream_invalid_response' });
      for (const call of upstream.requests) await call.closed;
    });

    it('many comments, and types of content that say something else, change nothing', async () => {
      const pieces = provider === 'anthropic' ? ANTHROPIC_EVENTS : (streamAnswer(['Hello.']).body as string[]);
      for (const type of ['application/json', 'text/plain', '']) {
        upstream.script({
          headers: type === '' ? {} : { 'content-type': type },
          body: pieces.map((piece) => `${': PROCESSING\n\n'.repeat(500)}${piece}`),
        });
        expect((await askForStream(provider)).choices[0]?.message.content).toBe('Hello.');
      }
    });
  });

  describe("an answer in OpenAI's format", () => {
    it.each(WRONG_TYPES)('%s is an invalid answer', async (_name, body) => {
      upstream.script(json(body));
      expect(await errorOf(ask('openai'))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
      upstream.script(json(body));
      expect(await errorOf(askForStream('openai'))).toMatchObject({ status: 502, code: 'upstream_invalid_response' });
    });

    it.each(BROKEN_CHUNKS)('%s in a stream ends it with an error and without [DONE]', async (_name, event) => {
      const body = [...beginningOf('openai'), event, chunkEvent({}, 'stop'), 'data: [DONE]\n\n'];
      upstream.script({ headers: STREAM_TYPE, body });
      expect(await errorOf(askForStream('openai'))).toMatchObject({ code: 'upstream_invalid_response' });
      upstream.script({ headers: STREAM_TYPE, body });
      const text = await rawStream('openai');
      expect(text).toContain('Hello.');
      expect(text.match(/"error":/g)).toHaveLength(1);
      expect(text).not.toContain('[DONE]');
      expect(text).not.toContain('"finish_reason":"stop"');
    });

    it('keeps what it cannot know, under whatever name', async () => {
      const extra = { constructor: { a: 1 }, prompt_logprobs: [null], kv_transfer_params: { a: [1] } };
      upstream.script(jsonAnswer(200, { ...JSON.parse(OPENAI_ANSWER), ...extra }));
      expect(await ask('vllm')).toMatchObject(extra);
    });
  });

  describe('Azure OpenAI', () => {
    const hate = { hate: { filtered: false, severity: 'safe' } };
    const prompt = [{ prompt_index: 0, content_filter_results: hate }];

    it("keeps its filters' results in JSON", async () => {
      const answer = JSON.parse(OPENAI_ANSWER);
      answer.choices[0].content_filter_results = hate;
      upstream.script(jsonAnswer(200, { ...answer, prompt_filter_results: prompt }));
      expect(await ask('azure_openai')).toMatchObject({
        prompt_filter_results: prompt,
        choices: [{ content_filter_results: hate, message: { content: 'Hello.' } }],
      });
      expect((await upstream.request()).path).toBe('/openai/deployments/d/chat/completions?api-version=2024-10-21');
      expect((await upstream.request()).headers['api-key']).toBe('credential');
    });

    it("keeps its filters' results in a stream, those that come late too", async () => {
      const empty = { id: '', object: '', created: 0, model: '' };
      const late = { check_offset: 0, start_offset: 0, end_offset: 6 };
      const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
      upstream.script({
        headers: STREAM_TYPE,
        body: [
          event({ ...empty, choices: [], prompt_filter_results: prompt }),
          ...beginningOf('azure_openai'),
          chunkEvent({}, 'stop'),
          event({
            ...empty,
            choices: [{ index: 0, finish_reason: null, content_filter_results: hate, content_filter_offsets: late }],
          }),
          'data: [DONE]\n\n',
        ],
      });
      const stream = await gateway.openai().chat.completions.create({ model: 'azure_openai', messages, stream: true });
      const chunks: object[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(chunks[0]).toMatchObject({ id: 'chatcmpl-scripted', choices: [], prompt_filter_results: prompt });
      expect(chunks.at(-2)).toMatchObject({ choices: [{ content_filter_offsets: late, delta: {} }] });
      expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
    });

    it('says that its filter refused the prompt, and which', async () => {
      upstream.script(
        jsonAnswer(400, {
          error: {
            message: 'The response was filtered. Please modify your prompt and retry.',
            type: null,
            param: 'prompt',
            code: 'content_filter',
            status: 400,
            innererror: {
              code: 'ResponsibleAIPolicyViolation',
              content_filter_result: {
                hate: { filtered: true, severity: 'high' },
                jailbreak: { filtered: false, detected: false },
              },
            },
          },
        }),
      );
      const error = await errorOf(ask('azure_openai'));
      expect(error).toMatchObject({ status: 400, code: 'content_filter', param: 'prompt' });
      expect(error.message).toContain('Please modify your prompt and retry. Filtered by: hate.');
    });

    it('is given the time it asks for in milliseconds', async () => {
      upstream.script(
        jsonAnswer(
          429,
          { error: { code: '429', message: 'Requests have exceeded the call rate limit. Retry after 26 seconds.' } },
          { 'retry-after-ms': '26000', 'retry-after': '99' },
        ),
      );
      const error = await errorOf(ask('azure_openai'));
      expect(error).toMatchObject({ status: 429, code: 'upstream_rate_limited' });
      expect(error.headers?.get('retry-after')).toBe('26');
    });
  });
});
