import fc from 'fast-check';
import { PROVIDER_TYPES } from '../../src/domain/target.js';
import { UpstreamError } from '../../src/domain/upstream-error.js';
import { PROVIDER_ADAPTERS } from '../../src/router/adapters/provider-adapters.js';
import { loadOpenAiSchema } from '../support/openai-schema.js';
import { screened } from '../support/screened-requests.js';
import { CONTEXT, joinChunks, slices, translateStream } from '../support/streamed-answers.js';
import { targetOf } from '../support/targets.js';
import { PROVIDERS, TEXT } from './answers.js';

const schema = loadOpenAiSchema();
const itWithSchema = schema ? it : it.skip;

it('has exactly one adapter for every provider type', () => {
  const types = PROVIDER_ADAPTERS.map((Adapter) => new Adapter().type);
  expect([...types].sort()).toEqual([...PROVIDER_TYPES].sort());
});

describe.each(PROVIDERS.map((provider) => [provider.adapter.type, provider] as const))('%s', (type, provider) => {
  const { adapter } = provider;
  const borders = [...provider.stream.matchAll(/\n\n/g)].map(({ index }) => index + 2);

  function fail(status: number, body: string, headers: Record<string, string> = {}): UpstreamError {
    return adapter.parseError(status, headers, Buffer.from(body));
  }

  describe('a request', () => {
    it('goes to the configured address with the credential, and with no header of anyone else', () => {
      const target = targetOf(type, { provider: { headers: { 'X-Team': 'blue' } } });
      const { method, url, headers } = adapter.buildRequest(screened({ stream: true }), target);

      expect(method).toBe('POST');
      if (type !== 'simulator') expect(url.startsWith('https://upstream.test/v1/')).toBe(true);
      expect(Object.values(headers).filter((value) => value.includes('a-credential'))).toHaveLength(1);
      expect(headers).toMatchObject({ 'x-team': 'blue', 'accept-encoding': 'identity', accept: 'text/event-stream' });
      for (const name of Object.keys(headers)) expect(name).toBe(name.toLowerCase());
    });

    it('carries no credential where there is none', () => {
      const { headers } = adapter.buildRequest(screened({}), targetOf(type, { provider: { credential: '' } }));
      expect(Object.keys(headers).filter((name) => /auth|key/.test(name))).toEqual([]);
    });

    it('names the upstream model, whatever alias the client used', () => {
      const body = JSON.parse(adapter.buildRequest(screened({}), targetOf(type)).body.toString());
      expect(body.model).toBe('upstream-model');
    });

    it('is the same each time, and leaves what it was made from as it was', () => {
      const request = screened({ stream: true, stream_options: {}, temperature: 0.5 });
      const before = JSON.stringify(request.chat);
      const first = adapter.buildRequest(request, targetOf(type));
      expect(adapter.buildRequest(request, targetOf(type))).toEqual(first);
      expect(JSON.stringify(request.chat)).toBe(before);
    });
  });

  describe('an answer', () => {
    it('comes out as a chat completion under the name the client asked for', () => {
      const { completion, usage } = adapter.parseCompletion(Buffer.from(provider.answer), CONTEXT);

      expect(completion.model).toBe('aegis-test');
      expect(completion.choices).toHaveLength(1);
      expect(completion.choices[0]?.message.content).toBe(TEXT);
      expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
      const [call] = completion.choices[0]?.message.tool_calls ?? [];
      expect(call).toMatchObject({ type: 'function', function: { name: 'look_up' } });
      expect(JSON.parse(call?.function.arguments ?? '')).toEqual({ city: 'Zürich' });
      expect(usage).toMatchObject({ promptTokens: 12, completionTokens: 7, totalTokens: 19 });
      expect(completion.usage).toMatchObject({ prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 });
    });

    itWithSchema("validates against OpenAI's schema", () => {
      const { completion } = adapter.parseCompletion(Buffer.from(provider.answer), CONTEXT);
      expect(schema?.checkCompletion(completion)).toEqual([]);
    });

    it.each(['', 'null', '[]', '"text"', '{}', '<html>502</html>', '{"a":', '{"choices":[]}', '{"choices":null}'])(
      'that is %j is an invalid answer, and says nothing of it to the client',
      (body) => {
        const read = (): unknown => adapter.parseCompletion(Buffer.from(body), CONTEXT);
        expect(read).toThrow(UpstreamError);
        expect(read).toThrow(expect.objectContaining({ disposition: 'invalid', code: 'upstream_invalid_response' }));
      },
    );

    it('that nests deeper than it could be written out again is an invalid answer', () => {
      const deep = `"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}`;
      const body = Buffer.from(provider.answer.replace('{', `{${deep},`));
      expect(() => adapter.parseCompletion(body, CONTEXT)).toThrow(expect.objectContaining({ disposition: 'invalid' }));
      const stream = Buffer.from(provider.stream.replace('data: {', `data: {${deep},`));
      expect(translateStream(adapter, [stream]).error).toMatchObject({ disposition: 'invalid' });
    });

    it('that is an error under status 200 is an error', () => {
      const body = JSON.stringify({ type: 'error', error: { type: 'server_error', message: 'secret 10.1.2.3' } });
      const read = (): unknown => adapter.parseCompletion(Buffer.from(body), CONTEXT);
      expect(read).toThrow(expect.objectContaining({ disposition: 'transient', status: 502 }));
      expect(read).not.toThrow(/10\.1\.2\.3/);
    });
  });

  describe('a stream', () => {
    const whole = translateStream(adapter, [Buffer.from(provider.stream)]);

    it('comes out whole: role first, text, tools, one finish, then the usage', () => {
      expect(whole.error).toBeNull();
      const { choices, usage, faults } = joinChunks(whole.texts);
      expect(faults).toEqual([]);
      expect(choices).toHaveLength(1);
      expect(choices[0]).toMatchObject({ content: TEXT, finishReasons: ['tool_calls'] });
      expect(choices[0]?.tools.map(({ name, arguments: text }) => [name, JSON.parse(text)])).toEqual([
        ['look_up', { city: 'Zürich' }],
      ]);
      expect(usage).toMatchObject([{ prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 }]);
      expect(whole.usage).toMatchObject({ promptTokens: 12, completionTokens: 7 });
      for (const text of whole.texts) expect(JSON.parse(text).model).toBe('aegis-test');
    });

    it('counts its tokens, and shows the count only to a client that asked', () => {
      const stream = translateStream(adapter, [Buffer.from(provider.stream)], { ...CONTEXT, includeUsage: false });
      expect(stream.usage).toEqual(whole.usage);
      expect(joinChunks(stream.texts).usage).toEqual([]);
    });

    itWithSchema("is made of chunks that validate against OpenAI's schema", () => {
      for (const text of whole.texts) expect(schema?.checkChunk(JSON.parse(text))).toEqual([]);
    });

    it('is the same however its bytes are split', () => {
      const bytes = Buffer.from(provider.stream);
      for (const size of [1, 2, 3, 5, 1460]) expect(translateStream(adapter, slices(bytes, size))).toEqual(whole);
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 20 }), (cuts) => {
          const places = [0, ...cuts.sort((first, second) => first - second), bytes.length];
          const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
          expect(translateStream(adapter, pieces)).toEqual(whole);
        }),
      );
    });

    it('is the same with CRLF, with CR, with a byte order mark and with comments', () => {
      const variants = [
        provider.stream.replaceAll('\n', '\r\n'),
        provider.stream.replaceAll('\n', '\r'),
        `\uFEFF${provider.stream}`,
        provider.stream.replaceAll('\n\n', '\n\n: still working\n\n'),
        provider.stream.replaceAll('data: ', 'data:'),
      ];
      for (const variant of variants) expect(translateStream(adapter, [Buffer.from(variant)])).toEqual(whole);
    });

    it('that is cut anywhere before it says it is complete is an error without a finish', () => {
      const finish = type === 'anthropic' ? borders.at(-2) : borders.at(-4);
      fc.assert(
        fc.property(fc.integer({ min: 0, max: finish ?? 0 }), (length) => {
          const stream = translateStream(adapter, [Buffer.from(provider.stream).subarray(0, length)]);
          expect(stream.error).toMatchObject({ disposition: 'invalid', code: 'upstream_invalid_response' });
          expect(joinChunks(stream.texts).choices.flatMap(({ finishReasons }) => finishReasons)).toEqual([]);
        }),
        { numRuns: 300 },
      );
    });

    it('that fails half-way is an error in words of our own, after what was said before', () => {
      const stream = translateStream(adapter, [Buffer.from(provider.failingStream)]);
      expect(joinChunks(stream.texts).choices[0]?.content).toBe(TEXT);
      expect(stream.error).toMatchObject({ disposition: 'transient', status: 502, mayTryElsewhere: true });
      expect(stream.error?.message).not.toContain('10.1.2.3');
    });

    it('with an event that is no JSON is an error', () => {
      const broken = `${provider.stream.slice(0, borders[0])}data: {"choices":[{"del\n\n`;
      expect(translateStream(adapter, [Buffer.from(broken)]).error?.disposition).toBe('invalid');
    });

    it('throws nothing but upstream errors, whatever is in its events', () => {
      const event = fc.oneof(
        fc.json(),
        fc.string(),
        fc.json().map((text) => `{"type":"content_block_delta","choices":[${text}],"delta":${text},"usage":${text}}`),
      );
      fc.assert(
        fc.property(fc.array(event, { maxLength: 8 }), (data) => {
          const text = data.map((item) => `data: ${item.replaceAll(/[\r\n]/g, ' ')}\n\n`).join('');
          translateStream(adapter, [Buffer.from(provider.stream.slice(0, borders[0]) + text)]);
        }),
        { numRuns: 500 },
      );
    });

    it('has content from its first word on, and not before', () => {
      const translator = adapter.openStream(CONTEXT);
      const before = type === 'anthropic' ? 3 : 1;
      const lines = provider.stream.split('\n\n').map((event) => event.replace(/^(event: .*\n)?data: /, ''));
      for (const data of lines.slice(0, before)) translator.push({ type: '', data });
      expect(translator.hasContent).toBe(false);
      translator.push({ type: '', data: lines[before] ?? '' });
      expect(translator.hasContent).toBe(true);
      expect(translator.finished).toBe(false);
    });
  });

  describe('a failure', () => {
    it.each([400, 404, 413, 422])("with status %i is the caller's, in the words of the provider", (status) => {
      const error = fail(status, provider.refusal);
      expect(error).toMatchObject({
        disposition: 'caller',
        status,
        type: 'invalid_request_error',
        mayTryElsewhere: false,
      });
      expect(error.message).toBe('Too hot.');
    });

    it.each([
      [401, 'credential', 'upstream_auth_failed', 502],
      [403, 'credential', 'upstream_auth_failed', 502],
      [402, 'exhausted', 'upstream_rate_limited', 429],
      [408, 'transient', 'upstream_timeout', 504],
      [409, 'transient', 'upstream_error', 502],
      [429, 'rate_limited', 'upstream_rate_limited', 429],
      [500, 'transient', 'upstream_error', 502],
      [502, 'transient', 'upstream_error', 502],
      [503, 'transient', 'upstream_error', 502],
      [504, 'transient', 'upstream_timeout', 504],
      [529, 'transient', 'upstream_error', 502],
      [307, 'invalid', 'upstream_invalid_response', 502],
    ] as const)(
      'with status %i is %s, and never told in the words of the provider',
      (status, disposition, code, ours) => {
        const error = fail(
          status,
          JSON.stringify({ error: { message: 'Bad key sk-abcd1234 at 10.1.2.3', type: 'x', code: 'y' } }),
        );
        expect(error).toMatchObject({ disposition, code, status: ours, mayTryElsewhere: true });
        expect(JSON.stringify(error.toEnvelope('r'))).not.toMatch(/sk-|10\.1\.2\.3/);
      },
    );

    const leaky = {
      type: 'x'.repeat(5_000),
      code: 'prompt CANARY-1234',
      param: 'http://vllm.internal:8000',
      message:
        'No route from http://vllm.internal:8000/v1 to 10.1.2.3:8000, [fd00::1]:8000, vllm-0:8000 or models.svc.cluster.local ' +
        'with sk-ant-api03-CANARY_1, Bearer CANARY.1234567890, token=CANARY5678 or 0123456789abcdef0123456789abCANARY.',
    };
    const LEAKS = /internal|8000|10\.1\.2\.3|fd00|vllm-0|svc|CANARY|x{65}/;

    it('restates no address, no credential and nothing without bounds', () => {
      for (const name of ['type', 'code', 'param'] as const) {
        const error = fail(400, JSON.stringify({ error: { ...leaky, message: 'Too hot.', [name]: leaky[name] } }));
        expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', wireCode: null, param: null });
      }
      const error = fail(400, JSON.stringify({ error: { ...leaky, message: `Too hot. ${leaky.message}` } }));
      expect(error.message).toMatch(/^Too hot\. No route from \[address\]/);
      expect(JSON.stringify([error.toEnvelope('r'), error.fault])).not.toMatch(LEAKS);
    });

    it('inside a stream restates no address and no credential either', () => {
      const event = { type: 'error', error: { ...leaky, type: 'invalid_request_error' } };
      const { error } = translateStream(adapter, [Buffer.from(`event: error\ndata: ${JSON.stringify(event)}\n\n`)]);
      expect(error).toMatchObject({ disposition: 'caller', status: 400 });
      expect(JSON.stringify(error?.toEnvelope('r'))).not.toMatch(LEAKS);
    });

    it('says how long to wait, from seconds, milliseconds or a date', () => {
      const date = 'Wed, 21 Oct 2026 07:28:00 GMT';
      const wait = (headers: Record<string, string>): number | undefined => fail(429, '', headers).retryAfterMs;
      expect(wait({ 'retry-after': '12' })).toBe(12_000);
      expect(wait({ 'retry-after': '1.5' })).toBe(1500);
      expect(wait({ 'retry-after-ms': '250', 'retry-after': '1' })).toBe(250);
      expect(wait({ 'x-ms-retry-after-ms': '300' })).toBe(300);
      expect(wait({ 'retry-after-ms': '0', 'retry-after': '1' })).toBe(1000);
      expect(wait({ 'retry-after': 'Wed, 21 Oct 2026 07:28:30 GMT', date })).toBe(30_000);
      expect(wait({ 'retry-after': 'Wed, 21 Oct 2026 07:28:30 GMT' })).toBeUndefined();
      expect(wait({ 'retry-after': 'soon' })).toBeUndefined();
      expect(wait({ 'retry-after': '5,5', date })).toBeUndefined();
      expect(wait({ 'retry-after': '-1', date })).toBeUndefined();
      expect(wait({ 'retry-after': '2026-10-21', date })).toBeUndefined();
      expect(wait({})).toBeUndefined();
    });

    it('never throws, whatever the body is', () => {
      fc.assert(
        fc.property(fc.integer({ min: 300, max: 599 }), fc.oneof(fc.json(), fc.string()), (status, body) => {
          const error = fail(status, body);
          expect(typeof error.message).toBe('string');
          expect(error.status).toBeGreaterThanOrEqual(400);
        }),
      );
    });
  });
});
