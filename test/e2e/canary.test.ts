import { Writable } from 'node:stream';
import { request } from 'undici';
import { AegisLogger } from '../../src/telemetry/aegis.logger.js';
import { Tracing } from '../../src/telemetry/tracing/tracing.service.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { OtlpReceiver } from '../support/otlp.js';
import { completionAnswer, jsonAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';

/** Planted where people put what nobody else may read. Each place has its own, so that a leak names its source. */
const CANARY = {
  prompt: 'KanarieImPrompt',
  system: 'KanarieImSystem',
  toolName: 'KanarieWerkzeug',
  toolArgument: 'KanarieArgument',
  argumentName: 'KanarieSchluessel',
  stop: 'KanarieStop',
  user: 'KanarieNutzer',
  answer: 'KanarieAntwort',
  upstreamError: 'KanarieFehler',
  upstreamCode: 'kanarie_code',
  header: 'KanarieKopf',
  agent: 'KanarieAgent',
  query: 'KanarieAbfrage',
  path: 'KanariePfad',
  model: 'KanarieModell',
  brokenBody: 'KanarieKaputt',
  member: 'KanarieMitglied',
} as const;
const CREDENTIAL = 'KanarieCredential-0123456789';

describe('planted text', () => {
  let receiver: OtlpReceiver;
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;
  const lines: string[] = [];
  const errorBodies: string[] = [];

  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway({
      gateway: {
        telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'silent', otlp_endpoint: receiver.url },
      },
      providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: CREDENTIAL } },
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
      freeModels: ['only/m'],
    });
    const sink = new Writable({ write: (line, _encoding, done) => done(void lines.push(String(line))) });
    gateway.gateway.logger.pino = new AegisLogger({ level: 'trace', format: 'json' }, sink).pino;
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
    await receiver.close();
  });

  const body = (more: object = {}) => ({
    model: 'alias',
    user: CANARY.user,
    stop: [CANARY.stop],
    messages: [
      { role: 'system', content: CANARY.system },
      { role: 'user', content: CANARY.prompt },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'call_1',
            type: 'function',
            function: {
              name: CANARY.toolName,
              arguments: JSON.stringify({ [CANARY.argumentName]: CANARY.toolArgument }),
            },
          },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
    ],
    ...more,
  });

  async function post(
    content: object | string,
    { path = '/v1/chat/completions', key = gateway.key }: { readonly path?: string; readonly key?: string } = {},
  ): Promise<string> {
    const answer = await request(`${gateway.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-secret-of-the-client': CANARY.header,
        cookie: `session=${CANARY.header}`,
        'user-agent': CANARY.agent,
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        baggage: `secret=${CANARY.header}`,
      },
      body: typeof content === 'string' ? content : JSON.stringify(content),
    });
    const text = await answer.body.text().catch(() => '');
    if (answer.statusCode >= 400) errorBodies.push(text);
    return text;
  }

  it('goes to the provider and back, and into nothing else that a gateway writes', async () => {
    // Every way a request can end.
    upstream.script(completionAnswer(CANARY.answer));
    const answered = await post(body(), { path: `/v1/chat/completions?q=${CANARY.query}` });
    upstream.script(streamAnswer([CANARY.answer]));
    const streamed = await post(body({ stream: true }));
    const refusal = {
      message: `no: ${CANARY.upstreamError}`,
      type: 'invalid_request_error',
      code: CANARY.upstreamCode,
    };
    upstream.script(jsonAnswer(400, { error: refusal }));
    const restated = await post(body());
    errorBodies.pop();
    upstream.script(jsonAnswer(500, { error: { ...refusal, message: `${CANARY.upstreamError} ${CANARY.prompt}` } }));
    await post(body());
    upstream.script({ headers: { 'content-type': 'application/json' }, body: `{"choices": ${CANARY.answer}` });
    await post(body());
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: [...(streamAnswer([CANARY.answer]).body as string[]).slice(0, 2), `data: {"broken ${CANARY.answer}\n\n`],
    });
    const cut = await post(body({ stream: true }));
    await post(
      body({ messages: [{ role: 'user', content: `${CANARY.prompt} ${['AKIA', 'Z7QX2MNBVCR4TKWD'].join('')}` }] }),
    );
    await post(body({ messages: [{ role: CANARY.prompt, content: 7 }] }));
    await post(`{"model": "alias", "messages": [${CANARY.brokenBody}`);
    await post(body(), { path: `/v1/${CANARY.path}?q=${CANARY.query}` });
    await post(body(), { key: `${gateway.key.slice(0, -1)}${gateway.key.endsWith('a') ? 'b' : 'a'}` });
    const unknown = gateway.unknownKey();
    await post(body(), { key: unknown });
    await post(body({ model: CANARY.model }));
    const namesModel = errorBodies.pop() ?? '';
    // A finding says where it was, in the client's own names.
    await post(body({ [CANARY.member]: ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('') }));
    const namesMember = errorBodies.pop() ?? '';

    // Positive controls: what the scan is to find is there to be found, in what it was planted in.
    const sent = upstream.requests.map((each) => each.body.toString('utf8')).join('');
    for (const planted of [CANARY.prompt, CANARY.system, CANARY.toolArgument, CANARY.stop])
      expect(sent).toContain(planted);
    expect(JSON.stringify(upstream.requests.map(({ headers }) => headers))).toContain(CREDENTIAL);
    expect(answered + streamed).toContain(CANARY.answer);
    expect(cut).toContain('"error"');
    expect(restated).toContain(CANARY.upstreamError);
    expect(namesModel).toContain(CANARY.model);
    expect(namesMember).toContain(CANARY.member);

    let metrics = '';
    while (!metrics.includes('aegis_requests_in_flight 0')) {
      metrics = await (await request(gateway.metricsUrl)).body.text();
    }
    await gateway.gateway.app.get(Tracing).flush();
    const written: Record<string, string> = {
      logs: lines.join(''),
      metrics,
      traces: await receiver.raw(),
      'error bodies': errorBodies.join('\n'),
    };
    expect(written.logs).toContain('"msg":"request"');
    expect(written.logs).toContain('aws-access-key-id *');
    expect(written.metrics).toContain('model="alias"');
    expect(written.traces).toContain('gen_ai.usage.input_tokens');
    expect(errorBodies.length).toBeGreaterThanOrEqual(8);

    const planted = [
      ...Object.entries(CANARY),
      ['credential', CREDENTIAL],
      ['key', gateway.key],
      ['other key', unknown],
    ];
    const leaks = Object.entries(written).flatMap(([where, text]) =>
      planted.filter(([, canary]) => text.includes(String(canary))).map(([what]) => `${what} in ${where}`),
    );
    expect(leaks).toEqual([]);
  });
});
