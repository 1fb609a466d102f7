import { once } from 'node:events';
import { connect } from 'node:net';
import type OpenAI from 'openai';
import { APIError, BadRequestError } from 'openai';
import { request } from 'undici';
import { UsageRecorder } from '../../src/accounting/usage.recorder.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { jsonAnswer, ScriptableUpstream, type ScriptedAnswer } from '../support/scriptable-upstream.js';
import { PEM, SECRETS } from '../unit/filter/support.js';

type Delta = Record<string, unknown>;

function event(index: number, delta: Delta, finish: string | null = null, logprobs: unknown = null): string {
  const choices = [{ index, delta, logprobs, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`;
}

const USAGE = `data: ${JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [],
  usage: { prompt_tokens: 9, completion_tokens: 30, total_tokens: 39 },
})}\n\n`;

function streamOf(events: readonly string[], ending?: ScriptedAnswer['ending']): ScriptedAnswer {
  const body = ending === undefined ? [...events, USAGE, 'data: [DONE]\n\n'] : events;
  return { headers: { 'content-type': 'text/event-stream' }, body, ...(ending && { ending }) };
}

function pieces(text: string, size = 3): string[] {
  return text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
}

function completionOf(message: object, more: object = {}): ScriptedAnswer {
  return jsonAnswer(200, {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', refusal: null, ...message },
        logprobs: null,
        finish_reason: 'stop',
        ...more,
      },
    ],
    usage: { prompt_tokens: 9, completion_tokens: 30, total_tokens: 39 },
  });
}

/** What a model says must not tell anybody a credential, streamed or not. */
describe('what filters do to answers', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;
  let openai: OpenAI;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway({
      gateway: {
        routing: { circuit_breaker: { enabled: false } },
        filters: {
          overrides: [
            { rules: ['npm-access-token'], direction: 'response', action: 'block' },
            { rules: ['sendgrid-api-key'], direction: 'response', action: 'flag' },
          ],
        },
      },
      providers: {
        only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential', timeouts: { idle: '2s' } },
      },
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
      prices: { 'only/m': { input: '1', output: '1' } },
    });
    openai = gateway.openai();
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());

  const messages = [{ role: 'user' as const, content: 'hi' }];

  async function readStream(answer: ScriptedAnswer): Promise<{ chunks: OpenAI.ChatCompletionChunk[]; error: unknown }> {
    upstream.script(answer);
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    try {
      const stream = await openai.chat.completions.create({
        model: 'alias',
        messages,
        stream: true,
        stream_options: { include_usage: true },
      });
      for await (const chunk of stream) chunks.push(chunk);
      return { chunks, error: null };
    } catch (error) {
      return { chunks, error };
    }
  }

  function textOf(chunks: readonly OpenAI.ChatCompletionChunk[], key: string, index = 0): string {
    return chunks
      .flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
      .map(({ delta }) => (delta as Record<string, unknown>)[key] ?? '')
      .join('');
  }

  function argumentsOf(chunks: readonly OpenAI.ChatCompletionChunk[], call: number): string {
    return chunks
      .flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []))
      .filter(({ index }) => index === call)
      .map((each) => each.function?.arguments ?? '')
      .join('');
  }

  async function bytesOf(answer: ScriptedAnswer): Promise<string> {
    upstream.script(answer);
    const response = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'alias', messages, stream: true }),
    });
    let text = '';
    try {
      for await (const piece of response.body) text += String(piece);
    } catch {
      // Cut on purpose.
    }
    return text;
  }

  it.each(['content', 'reasoning_content', 'refusal'])('a credential in %s of a stream is cut out', async (key) => {
    const said = `Use ${SECRETS.github}, or not. The end of it`;
    const { chunks, error } = await readStream(
      streamOf([
        event(0, { role: 'assistant' }),
        ...pieces(said).map((piece) => event(0, { [key]: piece })),
        event(0, {}, 'stop'),
      ]),
    );
    expect(error).toBeNull();
    expect(textOf(chunks, key)).toBe('Use [REDACTED:github-token], or not. The end of it');
    expect(chunks.at(-1)?.usage?.total_tokens).toBe(39);
    const finishedAt = chunks.findIndex(({ choices }) => choices[0]?.finish_reason === 'stop');
    expect(textOf(chunks.slice(finishedAt + 1), key)).toBe('');
  });

  it('what still waits when a choice finishes goes before its finish', async () => {
    const { chunks } = await readStream(
      streamOf([
        event(0, { role: 'assistant', content: 'see gh' }),
        event(0, { content: 'p_' }),
        event(0, {}, 'length'),
      ]),
    );
    expect(textOf(chunks, 'content')).toBe('see ghp_');
    const finishedAt = chunks.findIndex(({ choices }) => choices[0]?.finish_reason === 'length');
    expect(textOf(chunks.slice(0, finishedAt), 'content')).toBe('see ghp_');
  });

  it('arguments of several tool calls stay JSON', async () => {
    const first = JSON.stringify({ note: `token:\n${SECRETS.github}`, count: 1 });
    const second = JSON.stringify({ key: PEM, rest: 'go on' });
    const events = [event(0, { role: 'assistant' })];
    for (const [index, text] of [first, second].entries()) {
      events.push(
        event(0, {
          tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name: 'save', arguments: '' } }],
        }),
        ...pieces(text, 4).map((piece) => event(0, { tool_calls: [{ index, function: { arguments: piece } }] })),
      );
    }
    const { chunks } = await readStream(streamOf([...events, event(0, {}, 'tool_calls')]));
    expect(JSON.parse(argumentsOf(chunks, 0))).toEqual({ note: 'token:\n[REDACTED:github-token]', count: 1 });
    expect(JSON.parse(argumentsOf(chunks, 1))).toEqual({ key: '[REDACTED:private-key]', rest: 'go on' });
  });

  it('choices that take turns are told apart', async () => {
    const texts = [`one ${SECRETS.awsId}.`, `two ${SECRETS.gitlab}.`, 'three, with nothing in it.'];
    const events = [0, 1, 2].map((index) => event(index, { role: 'assistant' }));
    const all = texts.map((text) => pieces(text, 2));
    for (let turn = 0; turn < 40; turn++) {
      for (const [index, list] of all.entries())
        if (list[turn] !== undefined) events.push(event(index, { content: list[turn] }));
    }
    const { chunks } = await readStream(streamOf([...events, ...[0, 1, 2].map((index) => event(index, {}, 'stop'))]));
    expect([0, 1, 2].map((index) => textOf(chunks, 'content', index))).toEqual([
      'one [REDACTED:aws-access-key-id].',
      'two [REDACTED:gitlab-token].',
      'three, with nothing in it.',
    ]);
  });

  it('chunks in which nothing changes keep their bytes', async () => {
    const odd = event(0, { content: 'hello' }).replace('"created":1', '"created": 1.0,"odd" :"\\u0041"');
    const text = await bytesOf(streamOf([event(0, { role: 'assistant', content: '' }), odd, event(0, {}, 'stop')]));
    expect(text).toContain('"odd" :"\\u0041"');
  });

  it('a private key in a stream is dropped as it comes', async () => {
    const said = `Here:\n${PEM}\nKeep it safe.`;
    const { chunks } = await readStream(
      streamOf([
        event(0, { role: 'assistant' }),
        ...pieces(said, 5).map((piece) => event(0, { content: piece })),
        event(0, {}, 'stop'),
      ]),
    );
    expect(textOf(chunks, 'content')).toBe('Here:\n[REDACTED:private-key]\nKeep it safe.');
  });

  it('the probabilities of what was cut out are not told', async () => {
    const logprobs = {
      content: [{ token: SECRETS.github, logprob: -1, bytes: null, top_logprobs: [] }],
      refusal: null,
    };
    const text = await bytesOf(
      streamOf([
        event(0, { role: 'assistant' }),
        event(0, { content: `${SECRETS.github} ` }, null, logprobs),
        event(0, {}, 'stop'),
      ]),
    );
    expect(text).not.toContain(SECRETS.github);
    expect(text).toContain('[REDACTED:github-token]');
  });

  it('a rule that blocks ends the stream with an error, and what was used is recorded', async () => {
    const recorder = gateway.gateway.app.get(UsageRecorder, { strict: false });
    const finish = jest.spyOn(recorder, 'finish');
    const said = `It is ${SECRETS.npm} and more`;
    const answer = streamOf([
      event(0, { role: 'assistant' }),
      ...pieces(said).map((piece) => event(0, { content: piece })),
      event(0, {}, 'stop'),
    ]);
    const { chunks, error } = await readStream(answer);
    expect(textOf(chunks, 'content')).toBe('It is ');
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'content_filter', param: 'choices[0].delta.content' });
    expect(String((error as Error).message)).not.toContain(SECRETS.npm);
    // Later calls do nothing.
    const [context, end] = finish.mock.calls[0] ?? [];
    expect(end).toEqual({ status: 200, code: 'content_filter' });
    expect(context?.usage).not.toBeNull();
    expect(context?.findings).toContainEqual({
      filter: 'secrets',
      rule: 'npm-access-token',
      path: 'choices[0].delta.content',
      action: 'block',
    });
    finish.mockRestore();
    expect(await bytesOf(answer)).not.toContain('[DONE]');
  });

  it('a rule that flags changes nothing and is recorded', async () => {
    const recorder = gateway.gateway.app.get(UsageRecorder, { strict: false });
    const finish = jest.spyOn(recorder, 'finish');
    const { chunks } = await readStream(
      streamOf([
        event(0, { role: 'assistant' }),
        ...pieces(`a ${SECRETS.sendgrid} b`).map((piece) => event(0, { content: piece })),
        event(0, {}, 'stop'),
      ]),
    );
    expect(textOf(chunks, 'content')).toBe(`a ${SECRETS.sendgrid} b`);
    expect(finish.mock.calls.at(-1)?.[0].findings).toContainEqual(
      expect.objectContaining({ rule: 'sendgrid-api-key', action: 'flag' }),
    );
    finish.mockRestore();
    expect(await (await request(gateway.metricsUrl)).body.text()).toMatch(
      /aegis_filter_actions_total\{.*sendgrid-api-key.*\} [1-9]/,
    );
  });

  it('whole answers are treated the same', async () => {
    upstream.script(
      completionOf({
        content: `Use ${SECRETS.github}, or not`,
        reasoning_content: `I know ${SECRETS.awsId}`,
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'save', arguments: JSON.stringify({ note: PEM }) } },
        ],
      }),
    );
    const { choices, usage } = await openai.chat.completions.create({ model: 'alias', messages });
    expect(choices[0]?.message.content).toBe('Use [REDACTED:github-token], or not');
    expect(choices[0]?.message).toMatchObject({ reasoning_content: 'I know [REDACTED:aws-access-key-id]' });
    const call = choices[0]?.message.tool_calls?.[0];
    expect(call?.type === 'function' && JSON.parse(call.function.arguments)).toEqual({
      note: '[REDACTED:private-key]',
    });
    expect(usage?.total_tokens).toBe(39);
  });

  it('a whole answer that is blocked is an error that names the rule and the place', async () => {
    const finish = jest.spyOn(gateway.gateway.app.get(UsageRecorder, { strict: false }), 'finish');
    upstream.script(completionOf({ content: `It is ${SECRETS.npm}` }));
    const error = await openai.chat.completions.create({ model: 'alias', messages }).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ status: 400, code: 'content_filter', param: 'choices[0].message.content' });
    expect((error as BadRequestError).error).toMatchObject({
      findings: [{ filter: 'secrets', rule: 'npm-access-token', path: 'choices[0].message.content' }],
    });
    // It cost something, and is recorded as what the client got.
    const [context, end] = finish.mock.calls[0] ?? [];
    expect(end).toEqual({ status: 400, code: 'content_filter' });
    expect(context?.usage).not.toBeNull();
    finish.mockRestore();
    expect(String((error as Error).message)).not.toContain(SECRETS.npm);
  });

  it('what still waits when the upstream breaks off is not told', async () => {
    const text = await bytesOf(
      streamOf(
        [event(0, { role: 'assistant', content: 'It is ' }), event(0, { content: SECRETS.github.slice(0, 30) })],
        'cut',
      ),
    );
    expect(text).toContain('It is ');
    expect(text).not.toContain(SECRETS.github.slice(0, 8));
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
  });

  it('a client that leaves while something waits ends the upstream call', async () => {
    upstream.script(
      streamOf(
        [event(0, { role: 'assistant', content: 'It is ' }), event(0, { content: SECRETS.github.slice(0, 30) })],
        'stall',
      ),
    );
    const { hostname, port, host } = new URL(gateway.url);
    const body = JSON.stringify({ model: 'alias', stream: true, messages });
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${gateway.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    const call = await upstream.request();
    await once(socket, 'data');
    socket.destroy();
    await call.closed;
  });
});
