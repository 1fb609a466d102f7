import { findShared, loadRecordings } from '../../support/recordings.js';
import {
  completionAnswer,
  errorAnswer,
  jsonAnswer,
  type ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { expectError, expectWhole, FaultSite, pause, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';

const site = new FaultSite();
const recordings = findShared('recordings');
const recorded = recordings ? loadRecordings(recordings, ['chat.completions', 'messages']) : [];

type Recorded = (typeof recorded)[number];

/** Rows for `it.each` of what was recorded; one that is reported as not run where nothing was. */
function rowsOf(matches: (entry: Recorded) => boolean): {
  readonly run: jest.It;
  readonly rows: [string, Recorded | null][];
} {
  const rows = recorded.filter(matches).map((entry): [string, Recorded] => [entry.recording.id, entry]);
  return rows.length > 0 ? { run: it, rows } : { run: it.skip, rows: [['(no recordings)', null]] };
}

function replay({ recording }: Recorded): ScriptedAnswer {
  return { status: recording.status, headers: recording.replay_headers, body: recording.body_text };
}

function providerOf({ recording }: Recorded): Record<string, string> {
  return recording.provider === 'anthropic' ? { type: 'anthropic' } : { type: 'openai_compatible' };
}

describe('a provider in trouble', () => {
  it.each([
    ['529, 529', [529, 529]],
    ['503', [503]],
    ['500, 502', [500, 502]],
  ])('row 14: %s, then an answer: the only target is tried again', async (_name, statuses) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(...statuses.map((status) => errorAnswer(status)), completionAnswer('at last'));
    const reply = await gateway.ask();
    expect({ status: reply.status, content: reply.content }).toEqual({ status: 200, content: 'at last' });
    expect(reply.headers['x-aegis-attempts']).toBe(String(statuses.length + 1));
    note(`${reply.elapsedMs.toFixed(0)} ms`);
  });

  it('row 14: 529 again and again: its circuit opens, and it is asked no more', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], { circuit_breaker: { consecutive_failures: 3 } });
    upstream.script(errorAnswer(529));
    while (upstream.requests.length < 3) expect((await gateway.ask()).status).not.toBe(200);
    const asked = upstream.requests.length;
    const reply = await gateway.ask();
    expectError(reply, 503, 'no_target_available');
    expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(upstream.requests).toHaveLength(asked);
  });

  const { run, rows } = rowsOf(({ recording }) => recording.status === 529 || recording.status === 503);
  run.each(rows)('row 14: as recorded: %s: the next target answers', async (_id, entry) => {
    if (!entry) return;
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, providerOf(entry)), target(second)]);
    first.script(replay(entry));
    second.script(completionAnswer('good'));
    expect((await gateway.ask()).content).toBe('good');
    expect(first.requests).toHaveLength(1);
  });
});

describe('a provider that limits requests', () => {
  const PAUSE_MS = 1_000;
  const FORMS: [string, () => Record<string, string>][] = [
    ['retry-after in seconds', () => ({ 'retry-after': '1' })],
    ['retry-after as a date', () => ({ 'retry-after': dateIn(1), date: dateIn(0) })],
    ['retry-after-ms', () => ({ 'retry-after-ms': '1000', 'retry-after': '40' })],
    ['x-ms-retry-after-ms', () => ({ 'x-ms-retry-after-ms': '1000' })],
  ];

  function dateIn(seconds: number): string {
    return new Date(1_800_000_000_000 + seconds * 1000).toUTCString();
  }

  it.each(FORMS)('row 15: %s: nobody asks it again until then, and another target serves', async (_name, headers) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(errorAnswer(429, 'slow down', headers()), completionAnswer('first again'));
    second.script(completionAnswer('second'));
    expect((await gateway.ask()).content).toBe('second');
    const limitedAtMs = (await first.request()).receivedAtMs;
    let asked = 0;
    while ((await gateway.ask()).content === 'second') {
      asked++;
      await pause(25);
    }
    const restedMs = (await first.request(1)).receivedAtMs - limitedAtMs;
    expect(restedMs).toBeGreaterThanOrEqual(PAUSE_MS - 5);
    expect(asked).toBeGreaterThan(2);
    note(`rested ${restedMs.toFixed(0)} ms, ${asked} requests served meanwhile`);
  });

  it.each([
    ['a stream', true],
    ['a JSON answer', false],
  ])('row 15: all of them: 429 with the shortest pause, and none is asked: %s', async (_kind, stream) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(errorAnswer(429, 'slow down', { 'retry-after': '50' }));
    second.script(errorAnswer(429, 'slow down', { 'retry-after': '20' }));
    expectError(await gateway.ask({ stream }), 429, 'upstream_rate_limited');
    for (let count = 0; count < 5; count++) {
      const reply = await gateway.ask({ stream });
      expectError(reply, 429, 'upstream_rate_limited');
      expect(Number(reply.headers['retry-after'])).toBeGreaterThan(15);
      expect(Number(reply.headers['retry-after'])).toBeLessThanOrEqual(20);
    }
    expect(first.requests).toHaveLength(1);
    expect(second.requests).toHaveLength(1);
  });

  it('row 15: a pause longer than routing.max_cooldown is cut to it', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)], { max_cooldown: '300ms' });
    first.script(errorAnswer(429, 'slow down', { 'retry-after': '3600' }), completionAnswer('first again'));
    second.script(completionAnswer('second'));
    while ((await gateway.ask()).content !== 'first again') await pause(25);
    expect(first.requests).toHaveLength(2);
  });

  const { run, rows } = rowsOf(({ recording }) => recording.status === 429);
  run.each(rows)('row 15: as recorded: %s', async (_id, entry) => {
    if (!entry) return;
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, providerOf(entry)), target(second)]);
    first.script(replay(entry));
    second.script(completionAnswer('second'));
    for (let count = 0; count < 3; count++) expect((await gateway.ask()).content).toBe('second');
    expect(first.requests).toHaveLength(1);
  });
});

describe('a refusal that no wait can mend', () => {
  const REFUSALS: [string, ScriptedAnswer][] = [
    [
      'the quota is spent',
      jsonAnswer(429, {
        error: {
          message: 'You exceeded your current quota, please check your plan and billing details.',
          type: 'insufficient_quota',
          param: null,
          code: 'insufficient_quota',
        },
      }),
    ],
    [
      'the request is larger than the whole limit',
      jsonAnswer(
        429,
        {
          error: {
            message: 'Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.',
            type: 'tokens',
            param: null,
            code: 'rate_limit_exceeded',
          },
        },
        { 'retry-after': '1' },
      ),
    ],
  ];

  it.each(REFUSALS)('row 16: is not tried again at the only target: %s', async (_name, refusal) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(refusal, completionAnswer('never'));
    const reply = await gateway.ask();
    expectError(reply, 429, 'upstream_rate_limited');
    expect(reply.headers['x-should-retry']).toBe('false');
    expect(upstream.requests).toHaveLength(1);
  });

  it.each(REFUSALS)('row 16: lets the next target serve: %s', async (_name, refusal) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(refusal);
    second.script(completionAnswer('good'));
    expect((await gateway.ask()).content).toBe('good');
  });
});

describe('a retry-after on an answer that is none of refusal', () => {
  it.each([
    ['a stream', true],
    ['a JSON answer', false],
  ])('row 17: changes nothing and reaches nobody: %s', async (_kind, stream) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    const answer = stream ? streamAnswer(['good']) : completionAnswer('good');
    upstream.script({ ...answer, headers: { ...answer.headers, 'retry-after': '59' } });
    for (let count = 0; count < 3; count++) {
      const reply = await gateway.ask({ stream });
      expect({ status: reply.status, content: reply.content }).toEqual({ status: 200, content: 'good' });
      expect(reply.headers).not.toHaveProperty('retry-after');
    }
    expect(upstream.requests).toHaveLength(3);
  });

  const { run, rows } = rowsOf(
    ({ recording, oracle }) =>
      recording.status === 200 && oracle.ok === true && 'retry-after' in recording.replay_headers,
  );
  run.each(rows)('row 17: as recorded: %s', async (_id, entry) => {
    if (!entry) return;
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, providerOf(entry))]);
    upstream.script(replay(entry));
    for (let count = 0; count < 2; count++) {
      const reply = await gateway.ask({ stream: entry.recording.stream });
      expect(reply.status).toBe(200);
      expect(reply.headers).not.toHaveProperty('retry-after');
    }
  });
});

describe('a fault of the caller', () => {
  const CALLERS = [400, 404, 413, 422];

  it.each(CALLERS)('row 18: HTTP %i is restated, and nothing else is tried', async (status) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)], {
      circuit_breaker: { consecutive_failures: 2, min_requests: 2, failure_percent: 1 },
    });
    first.script(
      jsonAnswer(status, {
        error: { message: 'No such tool.', type: 'invalid_request_error', param: 'tools', code: 'x' },
      }),
    );
    for (let count = 0; count < 4; count++) {
      const reply = await gateway.ask();
      expectError(reply, status, 'x');
      expect(reply.json().error).toMatchObject({ message: 'No such tool.', type: 'invalid_request_error' });
      expect(reply.headers['x-should-retry']).toBe('false');
    }
    expect(first.requests).toHaveLength(4);
    expect(second.requests).toHaveLength(0);
    expect(await gateway.metric('aegis_circuit_openings_total')).toBe(0);
  });

  const entries = recorded.filter(({ recording }) => CALLERS.includes(recording.status));
  (entries.length > 0 ? it : it.skip)('row 18: every one that was recorded', async () => {
    const [first, second] = await site.upstreams();
    const targets = ['openai_compatible', 'anthropic'].map(
      (type) => [target(first, { type }), target(second)] as const,
    );
    for (const [index, type] of ['openai_compatible', 'anthropic'].entries()) {
      const gateway = await site.gateway(targets[index] ?? []);
      for (const entry of entries.filter((some) => providerOf(some).type === type)) {
        first.script(replay(entry));
        const reply = await gateway.ask();
        expect({ id: entry.recording.id, status: reply.status }).toEqual({
          id: entry.recording.id,
          status: entry.recording.status,
        });
        expect(reply.json().error?.message).toBeTruthy();
      }
    }
    expect(first.requests).toHaveLength(entries.length);
    expect(second.requests).toHaveLength(0);
    note(`${entries.length} recordings`);
  });
});

describe("a provider that refuses AEGIS's own credential", () => {
  const WORDS =
    'Incorrect API key provided: sk-proj-********************abcd. You can find it at https://example.test.';
  const refusal = (status: number): ScriptedAnswer =>
    jsonAnswer(status, {
      error: { message: WORDS, type: 'invalid_request_error', param: null, code: 'invalid_api_key' },
    });

  it.each([401, 403])('row 19: HTTP %i: the next target answers, and the metrics say why', async (status) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(refusal(status));
    second.script(completionAnswer('good'));
    for (let count = 0; count < 3; count++) expect((await gateway.ask()).content).toBe('good');
    // It rests: a bad key costs one attempt and not one a request.
    expect(first.requests).toHaveLength(1);
    const labels = { provider: gateway.provider(0), outcome: 'credential' };
    expect(await gateway.metric('aegis_upstream_attempts_total', labels)).toBe(1);
  });

  it.each([401, 403])("row 19: HTTP %i of the only target: 502 in AEGIS's own words", async (status) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(refusal(status));
    const reply = await gateway.ask();
    expectError(reply, 502, 'upstream_auth_failed');
    expect(reply.headers['x-should-retry']).toBe('false');
    for (const word of ['sk-', 'abcd', 'example.test', 'Incorrect']) expect(reply.text).not.toContain(word);
  });

  const { run, rows } = rowsOf(({ recording }) => recording.status === 401 || recording.status === 403);
  run.each(rows)('row 19: as recorded: %s', async (_id, entry) => {
    if (!entry) return;
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, providerOf(entry))]);
    upstream.script(replay(entry));
    const reply = await gateway.ask();
    expectError(reply, 502, 'upstream_auth_failed');
    expect(reply.text).not.toMatch(/sk-|[A-Za-z0-9]\*{3,}/);
    const said = (JSON.parse(entry.recording.body_text) as { error?: { message?: string } }).error?.message;
    if (said) expect(reply.text).not.toContain(said);
  });

  it.each([401, 402, 403, 429])('row 19: HTTP %i of one of several: the next credential is used', async (status) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { api_key: 'key-a', api_keys: ['key-b', 'key-c'] })]);
    upstream.answerWith(({ headers }) =>
      headers.authorization === 'Bearer key-c'
        ? completionAnswer('good')
        : errorAnswer(status, 'no', { 'retry-after': '30' }),
    );
    for (let count = 0; count < 3; count++) expect((await gateway.ask()).content).toBe('good');
    // Those that were refused rest; the one that serves goes on serving.
    expect(usedKeys(upstream)).toEqual(['key-a', 'key-b', 'key-c', 'key-c', 'key-c']);
    expect(await gateway.metric('aegis_circuit_openings_total')).toBe(0);
  });

  function usedKeys(upstream: ScriptableUpstream): string[] {
    return upstream.requests.map(({ headers }) => String(headers.authorization).replace('Bearer ', ''));
  }
});

describe('an answer that is none', () => {
  const PAGE = `<html><body>Bad Gateway at 10.1.2.3 ${'x'.repeat(5000)}</body></html>`;
  const ANSWERS: [string, ScriptedAnswer][] = [
    ['an HTML page with status 502', { status: 502, headers: { 'content-type': 'text/html' }, body: PAGE }],
    ['an HTML page with status 200', { headers: { 'content-type': 'text/html' }, body: PAGE }],
    ['an empty body with status 200', {}],
    ['an empty body with status 500', { status: 500 }],
    ['a JSON text cut off', { headers: { 'content-type': 'application/json' }, body: '{"a":' }],
    ['JSON that is no completion', jsonAnswer(200, { hello: 'world' })],
    ['something that is not HTTP', { raw: 'SSH-2.0-OpenSSH_9.6\r\n' }],
  ];
  const CASES = ANSWERS.flatMap(([name, answer]) => [true, false].map((stream) => [name, stream, answer] as const));

  it.each(CASES)('row 20: %s (stream: %p): 502 in the error envelope', async (_name, stream, answer) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], { max_attempts: 1 });
    upstream.script(answer);
    const reply = await gateway.ask({ stream });
    expect(reply.status).toBe(502);
    expect(['upstream_error', 'upstream_invalid_response']).toContain(reply.json().error?.code);
    expect(reply.headers['content-type']).toContain('application/json');
    expect(reply.text.length).toBeLessThan(1024);
    for (const word of ['html', '10.1.2.3', 'xxx']) expect(reply.text).not.toContain(word);
  });
});

describe('a request that goes to a second target', () => {
  const PARAMETERS = {
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hi' },
    ],
    temperature: 0.3,
    max_tokens: 50,
    stop: ['END'],
    seed: 7,
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
  };
  const ANTHROPIC = { type: 'anthropic', api_key: 'key-a', headers: { 'x-of-the-first': 'yes' } };
  const OPENAI = { type: 'openai', api_key: 'key-o', headers: { 'x-of-the-second': 'yes' } };

  it('row 33: has none of what the first one needed: Anthropic, then OpenAI', async () => {
    const [first, second] = await site.upstreams();
    const { seed: _seed, ...parameters } = PARAMETERS;
    const gateway = await site.gateway([target(first, ANTHROPIC), target(second, OPENAI)]);
    first.script(errorAnswer(529));
    second.script(completionAnswer('good'));
    expect((await gateway.ask(parameters)).content).toBe('good');
    const [alone] = await site.upstreams();
    const reference = await site.gateway([target(alone, OPENAI)]);
    alone.script(completionAnswer('good'));
    await reference.ask(parameters);

    expect((await first.request()).json()).toMatchObject({ model: 'm0', system: expect.anything() });
    const sent = (await second.request()).json();
    expect(sent).toEqual({ model: 'm1', ...parameters });
    expect(sent).toEqual({ ...((await alone.request()).json() as object), model: 'm1' });
    const { headers } = await second.request();
    expect(headers).toMatchObject({ authorization: 'Bearer key-o', 'x-of-the-second': 'yes' });
    for (const name of ['x-api-key', 'anthropic-version', 'x-of-the-first']) expect(headers).not.toHaveProperty(name);
  });

  it('row 33: has none of what the first one needed: OpenAI, then Anthropic', async () => {
    const [first, second] = await site.upstreams();
    const { seed: _seed, ...parameters } = PARAMETERS;
    const gateway = await site.gateway([target(first, OPENAI), target(second, ANTHROPIC)]);
    first.script(errorAnswer(500));
    second.script(
      jsonAnswer(200, {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-haiku-4-5',
        content: [{ type: 'text', text: 'good' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 1, output_tokens: 1 },
      }),
    );
    expect((await gateway.ask(parameters)).content).toBe('good');
    const { headers, ...sent } = await second.request();
    expect(sent.json()).toMatchObject({ model: 'm1', max_tokens: 50, stop_sequences: ['END'], temperature: 0.3 });
    for (const name of ['stop', 'tools.0.function']) expect(sent.json()).not.toHaveProperty(name);
    expect(headers).toMatchObject({ 'x-api-key': 'key-a', 'x-of-the-first': 'yes' });
    for (const name of ['authorization', 'x-of-the-second']) expect(headers).not.toHaveProperty(name);
  });

  it('row 33: is the same at every retry of a stream too', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(errorAnswer(503), streamAnswer(['good']));
    expectWhole(await gateway.stream(PARAMETERS), 'good');
    const [once, again] = upstream.requests;
    expect(again?.body.equals(once?.body ?? Buffer.alloc(0))).toBe(true);
  });
});
