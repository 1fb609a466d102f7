import { Writable } from 'node:stream';
import pino from 'pino';
import { request } from 'undici';
import { Tracing } from '../../src/telemetry/tracing/tracing.service.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { findPointProblems, findSpanProblems, GEN_AI_METRICS } from '../support/genai-conventions.js';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp.js';
import {
  brokenStreamAnswer,
  completionAnswer,
  errorAnswer,
  ScriptableUpstream,
  streamAnswer,
} from '../support/scriptable-upstream.js';

const CLIENT_TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CLIENT_SPAN = '00f067aa0ba902b7';
const ROUTE = '/v1/chat/completions';

/** Telemetry as test gateways have it, with a place to send traces to. */
const telemetry = (more: object) => ({ metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'silent', ...more });

describe('traces over OTLP', () => {
  let receiver: OtlpReceiver;
  let first: ScriptableUpstream;
  let second: ScriptableUpstream;
  let gateway: TestGateway;

  const config = (more: object): TestConfig => ({
    gateway: { telemetry: telemetry(more) },
    providers: {
      one: { type: 'openai', base_url: `${first.url}/v1`, api_key: 'credential' },
      two: { type: 'openai_compatible', base_url: `${second.url}/v1`, api_key: 'credential' },
    },
    models: {
      alias: {
        primary: { provider: 'one', model: 'm1', classification_ceiling: 'INTERNAL' },
        fallback: [{ provider: 'two', model: 'm2', classification_ceiling: 'INTERNAL' }],
      },
      local: { primary: { provider: 'simulator', model: 'simulator', classification_ceiling: 'INTERNAL' } },
    },
    freeModels: ['one/m1', 'two/m2'],
  });

  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    first = await ScriptableUpstream.start();
    second = await ScriptableUpstream.start();
    gateway = await startTestGateway(config({ otlp_endpoint: receiver.url }));
  });
  beforeEach(async () => {
    await gateway.gateway.app.get(Tracing).flush();
    await receiver.forget();
    first.forget();
    second.forget();
  });
  afterAll(async () => {
    await gateway.close();
    await first.close();
    await second.close();
    await receiver.close();
  });

  async function post(body: object, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
    const answer = await request(`${gateway.url}${ROUTE}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: 'hello' }], ...body }),
    });
    // A stream that breaks off is cut.
    return { status: answer.statusCode, text: await answer.body.text().catch(() => '') };
  }

  /** The request's span and its attempts, once the request's end has been told. */
  async function received(): Promise<{ server: ReceivedSpan; attempts: readonly ReceivedSpan[] }> {
    for (;;) {
      await gateway.gateway.app.get(Tracing).flush();
      const spans = await receiver.spans();
      const server = spans.find(({ kind }) => kind === 'server');
      if (server) return { server, attempts: spans.filter((span) => span !== server) };
    }
  }

  it('are made of a server span for the request and a client span for each attempt, by the conventions', async () => {
    first.script(errorAnswer(503));
    second.script(completionAnswer('hi', 'm2-2026-11-01'));
    await post({ temperature: 0.5, max_tokens: 50, seed: 7, response_format: { type: 'text' } });
    const { server, attempts } = await received();

    expect([server, ...attempts].flatMap(findSpanProblems)).toEqual([]);
    expect(server).toMatchObject({
      name: `POST ${ROUTE}`,
      parentSpanId: '',
      isError: false,
      schemaUrl: 'https://opentelemetry.io/schemas/1.41.1',
      attributes: {
        'http.response.status_code': 200,
        'url.path': ROUTE,
        'aegis.model': 'alias',
        'aegis.organization': 'acme',
        'aegis.attempts': 2,
      },
      resource: { 'service.name': 'aegis' },
    });
    expect(attempts.map(({ parentSpanId, traceId }) => ({ parentSpanId, traceId }))).toEqual(
      attempts.map(() => ({ parentSpanId: server.spanId, traceId: server.traceId })),
    );
    expect(attempts).toMatchObject([
      { name: 'chat m1', kind: 'client', isError: true, attributes: { 'error.type': '503', 'aegis.provider': 'one' } },
      {
        name: 'chat m2',
        kind: 'client',
        isError: false,
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'openai_compatible',
          'gen_ai.request.model': 'm2',
          'gen_ai.response.model': 'm2-2026-11-01',
          'gen_ai.response.id': 'chatcmpl-scripted',
          'gen_ai.response.finish_reasons': ['stop'],
          'gen_ai.usage.input_tokens': 9,
          'gen_ai.usage.output_tokens': 3,
          'gen_ai.request.temperature': 0.5,
          'gen_ai.request.max_tokens': 50,
          'gen_ai.request.seed': 7,
          'server.address': '127.0.0.1',
          'server.port': second.port,
        },
      },
    ]);
  });

  it('say of a stream when its first chunk came, and name the break of one that broke off', async () => {
    first.script({ ...streamAnswer(['a', 'b', 'c'], 'm1-real'), pieceDelayMs: 15 });
    await post({ stream: true });
    const whole = await received();
    expect([whole.server, ...whole.attempts].flatMap(findSpanProblems)).toEqual([]);
    expect(whole.attempts[0]?.attributes).toMatchObject({
      'gen_ai.request.stream': true,
      'gen_ai.response.model': 'm1-real',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.response.time_to_first_chunk': expect.any(Number),
    });

    await receiver.forget();
    first.script(brokenStreamAnswer(['a'], 'cut'));
    await post({ stream: true });
    const broken = await received();
    expect([broken.server, ...broken.attempts].flatMap(findSpanProblems)).toEqual([]);
    expect(broken.server).toMatchObject({
      isError: true,
      attributes: { 'http.response.status_code': 200, 'aegis.error.cause': 'provider' },
    });
    expect(broken.attempts).toMatchObject([{ isError: true }]);
  });

  it("go on the client's trace, and hand it on to the upstream", async () => {
    first.script(completionAnswer('hi'));
    await post(
      {},
      { traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`, tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7' },
    );
    const { server, attempts } = await received();
    expect(server).toMatchObject({ traceId: CLIENT_TRACE, parentSpanId: CLIENT_SPAN });
    const sent = (await first.request()).headers;
    expect(sent.traceparent).toBe(`00-${CLIENT_TRACE}-${attempts[0]?.spanId}-01`);
    expect(sent.tracestate).toBe('congo=t61rcWkgMzE,rojo=00f067aa0ba902b7');
  });

  it('begin anew where the client names no valid trace, and are not made where it says not to', async () => {
    first.script(completionAnswer('hi'));
    await post({}, { traceparent: `00-${'0'.repeat(32)}-${CLIENT_SPAN}-01`, tracestate: 'congo=1' });
    const { server } = await received();
    expect(server.parentSpanId).toBe('');
    expect((await first.request()).headers.tracestate).toBeUndefined();

    await receiver.forget();
    first.forget();
    await post({}, { traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-00` });
    expect((await first.request()).headers.traceparent).toMatch(new RegExp(`^00-${CLIENT_TRACE}-[0-9a-f]{16}-00$`));
    await gateway.gateway.app.get(Tracing).flush();
    expect(await receiver.spans()).toEqual([]);
  });

  it('make no error of the service of what its caller did wrong, and none of probes', async () => {
    await (await request(`${gateway.url}/aegis/v1/health`)).body.dump();
    await post({ model: 'no-such-model' });
    const { server, attempts } = await received();
    expect(findSpanProblems(server)).toEqual([]);
    expect(server).toMatchObject({
      isError: false,
      attributes: {
        'http.response.status_code': 404,
        'aegis.error.code': 'model_not_found',
        'aegis.error.cause': 'caller',
        'aegis.model': 'unknown',
      },
    });
    expect(attempts).toEqual([]);
  });

  it('hold no content, whatever the headers ask for', async () => {
    first.script(completionAnswer('CANARY-ANSWER'));
    const wishes = {
      'x-aegis-capture': '1',
      'x-capture-content': 'true',
      'otel-instrumentation-genai-capture-message-content': 'true',
      baggage: 'capture=true',
      'user-agent': 'CANARY-AGENT',
    };
    await post({ messages: [{ role: 'user', content: 'CANARY-PROMPT' }], stop: ['CANARY-STOP'] }, wishes);
    await received();
    const raw = await receiver.raw();
    expect(raw).toContain('gen_ai.request.model');
    expect(raw).not.toContain('CANARY');
  });

  it('come with the metrics of the conventions', async () => {
    first.script({ ...streamAnswer(['a', 'b', 'c', 'd']), pieceDelayMs: 5 });
    await post({ stream: true });
    first.script(completionAnswer('hi'));
    await post({});
    await post({ model: 'local' });
    await received();
    const points = await receiver.points();
    expect(points.flatMap(findPointProblems)).toEqual([]);
    expect([...new Set(points.map(({ metric }) => metric))].sort()).toEqual(Object.keys(GEN_AI_METRICS).sort());
    const tokens = points.filter(
      ({ metric, attributes }) =>
        metric === 'gen_ai.client.token.usage' &&
        attributes['gen_ai.token.type'] === 'output' &&
        attributes['gen_ai.provider.name'] === 'openai',
    );
    expect(tokens.length).toBeGreaterThan(0);
    // Streaming calls only.
    expect(
      points.filter(
        ({ metric, attributes }) => metric.includes('chunk') && attributes['gen_ai.provider.name'] === 'simulator',
      ),
    ).toEqual([]);
  });

  it('cost requests nothing where nobody takes them, and are complained about once', async () => {
    const impatience = { OTEL_EXPORTER_OTLP_TIMEOUT: '200', OTEL_BSP_SCHEDULE_DELAY: '20' };
    Object.assign(process.env, impatience);
    const dark = await startTestGateway(config({ otlp_endpoint: 'http://127.0.0.1:9' }));
    for (const name of Object.keys(impatience)) delete process.env[name];
    const lines: string[] = [];
    const sink = new Writable({ write: (line, _encoding, done) => done(void lines.push(String(line))) });
    dark.gateway.logger.pino = pino({ level: 'warn' }, sink);
    const failures = async (): Promise<number> => {
      const metrics = await (await request(dark.metricsUrl)).body.text();
      return Number(/aegis_otlp_exports_total\{signal="traces",outcome="failure"\} (\d+)/.exec(metrics)?.[1] ?? 0);
    };
    try {
      first.script(completionAnswer('hi'));
      const before = await failures();
      while ((await failures()) < before + 3) {
        const answer = await dark
          .openai()
          .chat.completions.create({ model: 'alias', messages: [{ role: 'user', content: 'hello' }] });
        expect(answer.choices[0]?.message.content).toBe('hi');
      }
      expect(lines.filter((line) => line.includes('OTLP'))).toHaveLength(1);
      expect(lines.join('')).toContain('ECONNREFUSED');
    } finally {
      await dark.close();
    }
  });
});

describe('without an OTLP endpoint', () => {
  it("makes no span, and still hands the client's trace on as it came, unless told not to", async () => {
    const upstream = await ScriptableUpstream.start();
    const plain = (more: object): TestConfig => ({
      gateway: { telemetry: telemetry(more) },
      providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
      freeModels: ['only/m'],
    });
    const gateway = await startTestGateway(plain({}));
    try {
      expect(gateway.gateway.app.get(Tracing).startRequest('POST', ROUTE, null)).toBeNull();
      upstream.script(completionAnswer('hi'));
      const ask = () =>
        gateway
          .openai()
          .chat.completions.create(
            { model: 'alias', messages: [{ role: 'user', content: 'hello' }] },
            { headers: { traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`, tracestate: 'congo=1' } },
          );
      await ask();
      expect((await upstream.request()).headers).toMatchObject({
        traceparent: `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`,
        tracestate: 'congo=1',
      });
      await gateway.reload(plain({ propagate_trace_context: false }));
      await ask();
      expect((await upstream.request(1)).headers.traceparent).toBeUndefined();
    } finally {
      await gateway.close();
      await upstream.close();
    }
  });
});
