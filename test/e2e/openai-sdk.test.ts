import OpenAI, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
} from 'openai';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
} as const;

/** What an application developer relies on: the official SDK with only `baseURL` and `apiKey` changed. */
describe('the openai SDK against a gateway without any provider key', () => {
  let gateway: TestGateway;
  let openai: OpenAI;

  beforeAll(async () => {
    gateway = await startTestGateway();
    openai = gateway.openai();
  });
  afterAll(() => gateway.close());

  it('completes a chat', async () => {
    const { data, response } = await openai.chat.completions
      .create({ model: 'test-model', messages: [{ role: 'user', content: 'hello' }] })
      .withResponse();
    expect(data.model).toBe('test-model');
    expect(data.choices[0]?.message.content).toEqual(expect.stringContaining('hello'));
    expect(data.choices[0]?.finish_reason).toBe('stop');
    expect(data.usage?.total_tokens).toBe((data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0));
    expect(response.headers.get('x-aegis-provider')).toBe('simulator');
    expect(response.headers.get('x-aegis-attempts')).toBe('1');
    expect(response.headers.get('x-aegis-classification')).toBe('INTERNAL');
    expect(response.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
  });

  it('streams the same answer, with usage where it was asked for', async () => {
    const messages = [{ role: 'user' as const, content: 'count to three' }];
    const whole = await openai.chat.completions.create({ model: 'test-model', messages });
    const stream = openai.chat.completions.stream({
      model: 'test-model',
      messages,
      stream_options: { include_usage: true },
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect(final.usage).toEqual(whole.usage);
  });

  it('sends no usage chunk that nobody asked for', async () => {
    const stream = await openai.chat.completions.create({
      model: 'test-model',
      messages: [{ role: 'user', content: 'hello' }],
      stream: true,
    });
    for await (const chunk of stream) {
      expect(chunk.choices.length).toBeGreaterThan(0);
      expect(chunk.model).toBe('test-model');
    }
  });

  it('streams tool calls and takes their results back', async () => {
    const first = await openai.chat.completions
      .stream({
        model: 'test-model',
        messages: [{ role: 'user', content: 'What is the weather in Berlin?' }],
        tools: [weather],
        tool_choice: 'required',
      })
      .finalChatCompletion();
    const call = first.choices[0]?.message.tool_calls?.[0];
    if (call?.type !== 'function') throw new Error('no tool was called');
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    expect(call.function.name).toBe('get_weather');
    expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) });

    const second = await openai.chat.completions.create({
      model: 'test-model',
      messages: [
        { role: 'user', content: 'What is the weather in Berlin?' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: call.id, content: 'sunny' },
      ],
      tools: [weather],
    });
    expect(second.choices[0]?.finish_reason).toBe('stop');
  });

  it('lists the models the key may use, in config order, and no others', async () => {
    const all = [];
    for await (const model of openai.models.list()) all.push(model.id);
    expect(all).toEqual(['test-model', 'public-only', 'unconfigured']);

    const narrow = gateway.openai(await gateway.mintKey({ allowedModels: ['public-only'] }));
    expect((await narrow.models.list()).data.map(({ id }) => id)).toEqual(['public-only']);
    await expect(narrow.models.retrieve('test-model')).rejects.toBeInstanceOf(NotFoundError);
    expect((await openai.models.retrieve('test-model')).object).toBe('model');
  });

  it('stops when the application does', async () => {
    const stream = await openai.chat.completions.create({
      model: 'test-model',
      messages: [{ role: 'user', content: '[[slow:20ms]] tell me a long story about a lighthouse and the sea' }],
      stream: true,
    });
    let chunks = 0;
    for await (const _chunk of stream) {
      chunks++;
      if (chunks === 2) stream.controller.abort();
    }
    expect(chunks).toBeLessThan(5);
    const aborter = new AbortController();
    const pending = openai.chat.completions.create(
      { model: 'test-model', messages: [{ role: 'user', content: '[[slow:50ms]] wait for it' }] },
      { signal: aborter.signal },
    );
    aborter.abort();
    await expect(pending).rejects.toBeInstanceOf(APIUserAbortError);
  });

  describe('typed errors', () => {
    const chat = (client: OpenAI, model: string, content = 'hello', headers = {}) =>
      client.chat.completions.create({ model, messages: [{ role: 'user', content }] }, { headers });

    it('AuthenticationError for a key that is none', async () => {
      await expect(chat(gateway.openai('sk-not-one-of-ours'), 'test-model')).rejects.toBeInstanceOf(
        AuthenticationError,
      );
    });

    it('NotFoundError for an unknown model', async () => {
      const error = await chat(openai, 'gpt-17').catch((problem: unknown) => problem);
      expect(error).toBeInstanceOf(NotFoundError);
      expect(error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
    });

    it('BadRequestError for a message that is none', async () => {
      const bad = openai.chat.completions.create({ model: 'test-model', messages: 'hello' as never });
      await expect(bad).rejects.toBeInstanceOf(BadRequestError);
    });

    it('BadRequestError with code content_filter for a secret', async () => {
      const secret = `my key is ${['AKIA', 'Z7QX2MNBVCR4TKWD'].join('')}. please use it`;
      const error = await chat(openai, 'test-model', secret).catch((problem: unknown) => problem);
      expect(error).toBeInstanceOf(BadRequestError);
      expect(error).toMatchObject({ code: 'content_filter', error: { findings: [{ filter: 'secrets' }] } });
      expect(JSON.stringify((error as BadRequestError).error)).not.toContain('Z7QX2MNBVCR4TKWD');
    });

    it('PermissionDeniedError for a model the key may not use, and for a level nobody is cleared for', async () => {
      const narrow = gateway.openai(await gateway.mintKey({ allowedModels: ['public-only'] }));
      await expect(chat(narrow, 'test-model')).rejects.toMatchObject({ code: 'model_not_allowed', status: 403 });
      const denied = await chat(openai, 'public-only').catch((problem: unknown) => problem);
      expect(denied).toBeInstanceOf(PermissionDeniedError);
      expect(denied).toMatchObject({ code: 'classification_denied', message: expect.stringContaining('INTERNAL') });
    });

    it('InternalServerError where no target is usable', async () => {
      const error = await chat(openai, 'unconfigured').catch((problem: unknown) => problem);
      expect(error).toBeInstanceOf(InternalServerError);
      expect(error).toMatchObject({ status: 503, code: 'no_target_available' });
    });
  });
});
