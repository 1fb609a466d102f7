import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { DatabaseService } from '../../src/database/database.service.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import {
  brokenStreamAnswer,
  completionAnswer,
  ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../support/scriptable-upstream.js';

interface LedgerRow {
  readonly id: string;
  readonly status: number;
  readonly code: string | null;
  readonly ending: string;
  readonly finish_reason: string | null;
  readonly prompt_tokens: string | null;
  readonly completion_tokens: string | null;
  readonly usage_source: string;
  readonly cost_nano_usd: string | null;
  readonly provider: string | null;
  readonly project: string | null;
  readonly requested_model: string | null;
  readonly level: string | null;
  readonly stream: boolean;
  readonly outcomes: readonly string[];
}

describe('the ledger', () => {
  let upstream: ScriptableUpstream;
  let second: ScriptableUpstream;
  let gateway: TestGateway;
  let count = 0;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    second = await ScriptableUpstream.start();
    const provider = (url: string) => ({ type: 'openai', base_url: `${url}/v1`, api_key: 'credential' });
    gateway = await startTestGateway({
      providers: { first: provider(upstream.url), second: provider(second.url) },
      models: {
        alias: { primary: { provider: 'first', model: 'm', classification_ceiling: 'INTERNAL' } },
        pair: {
          primary: { provider: 'first', model: 'm', classification_ceiling: 'INTERNAL' },
          fallback: [{ provider: 'second', model: 'm', classification_ceiling: 'INTERNAL' }],
        },
      },
      freeModels: ['first/m', 'second/m'],
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
    await second.close();
  });

  /** Asks, and returns what the ledger got of it, which takes about a second. */
  async function ask(
    answer: ScriptedAnswer,
    { stream = false, model = 'alias', content = 'hi', headers = {}, text = null as string | null } = {},
  ): Promise<LedgerRow> {
    const requestId = `request-${++count}`;
    upstream.script(answer);
    const sent = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${gateway.key}`,
        'content-type': 'application/json',
        'x-request-id': requestId,
        ...headers,
      },
      body: text ?? JSON.stringify({ model, stream, messages: [{ role: 'user', content }] }),
    });
    await sent.body.text().catch(() => '');
    return readOnly(requestId);
  }

  async function readOnly(requestId: string): Promise<LedgerRow> {
    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    for (const deadline = performance.now() + 10_000; performance.now() < deadline; await sleep(50)) {
      const rows: LedgerRow[] = await database.run((manager) =>
        manager.query(
          `SELECT *, (SELECT coalesce(array_agg(outcome ORDER BY position), '{}') FROM usage_attempt WHERE usage_request_id = id) AS outcomes
           FROM usage_request WHERE request_id = $1`,
          [requestId],
        ),
      );
      if (rows.length > 1) throw new Error(`${rows.length} rows of one request`);
      if (rows[0]) return rows[0];
    }
    throw new Error(`The ledger has no row of ${requestId}`);
  }

  /** A client that leaves as soon as `until` says. */
  async function leave(stream: boolean, until: (socket: ReturnType<typeof connect>) => Promise<unknown>) {
    const requestId = `request-${++count}`;
    const { hostname, port, host } = new URL(gateway.url);
    const text = JSON.stringify({ model: 'alias', stream, messages: [{ role: 'user', content: 'hi' }] });
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${gateway.key}\r\n` +
        `x-request-id: ${requestId}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    await until(socket);
    socket.destroy();
    return readOnly(requestId);
  }

  it('has a completion with its tokens, as its provider counted them', async () => {
    const row = await ask(completionAnswer('Hello'), { headers: { 'x-aegis-project': 'apollo' } });
    expect(row).toMatchObject({
      status: 200,
      code: null,
      ending: 'complete',
      finish_reason: 'stop',
      usage_source: 'provider',
      provider: 'first',
      requested_model: 'alias',
      project: 'apollo',
      level: 'INTERNAL',
      stream: false,
      outcomes: ['success'],
    });
    expect(Number(row.completion_tokens)).toBeGreaterThan(0);
  });

  it('has an estimate where the provider counts what no answer can have, and those that come after it', async () => {
    for (const stream of [false, true]) {
      const answer = stream ? streamAnswer(['Hel', 'lo']) : completionAnswer('Hello');
      const wrong = JSON.parse(
        JSON.stringify(answer).replace(/(tokens\\":)\d+/g, `$1${'9'.repeat(30)}`),
      ) as ScriptedAnswer;
      const row = await ask(wrong, { stream });
      expect(row).toMatchObject({ status: 200, ending: 'complete', usage_source: 'estimated', stream });
      expect(Number(row.completion_tokens)).toBeLessThan(100);
    }
    expect((await ask(completionAnswer('Hello'))).usage_source).toBe('provider');
  });

  it('has a stream that was answered in full', async () => {
    const row = await ask(streamAnswer(['Hel', 'lo']), { stream: true });
    expect(row).toMatchObject({ status: 200, ending: 'complete', finish_reason: 'stop', stream: true });
    expect(row.usage_source).toBe('provider');
  });

  it('has a stream that broke off, with an estimate of what came', async () => {
    const row = await ask(brokenStreamAnswer(['one ', 'two ', 'three, four, five, six, seven'], 'cut'), {
      stream: true,
      content: 'x'.repeat(400),
    });
    expect(row).toMatchObject({ status: 200, ending: 'failed', usage_source: 'estimated' });
    expect(row.code).not.toBeNull();
    expect(Number(row.completion_tokens)).toBeGreaterThanOrEqual(9);
    expect(Number(row.prompt_tokens)).toBeGreaterThanOrEqual(100);
  });

  it('has every attempt of a request that fell back', async () => {
    second.script(completionAnswer('Hello'));
    const row = await ask({ status: 500, body: 'broken' }, { model: 'pair' });
    expect(row).toMatchObject({ status: 200, ending: 'complete', provider: 'second' });
    expect(row.outcomes).toEqual(['upstream_fault', 'success']);
  });

  it('has a request whose only target failed', async () => {
    const row = await ask({ status: 400, body: JSON.stringify({ error: { message: 'No such thing' } }) });
    expect(row).toMatchObject({ status: 400, ending: 'failed', usage_source: 'none', outcomes: ['caller_fault'] });
  });

  it.each([
    ['the filter', { content: `key AKIA${'QWERTYUIOPASDFGH'}` }, 400, 'content_filter'],
    ['the check of its shape', { text: '{"model": 1}' }, 400, 'invalid_request'],
    ['the reader of its body', { text: '{' }, 400, 'invalid_json'],
    ['routing', { model: 'nobody' }, 404, 'model_not_found'],
    ['its headers', { headers: { 'x-aegis-project': 'a b' } }, 400, 'invalid_request'],
  ])('has a request refused by %s', async (_by, options, status, code) => {
    const row = await ask({}, options);
    expect(row).toMatchObject({ status, code, ending: 'refused', usage_source: 'none', outcomes: [] });
  });

  it('has a client that left while its answer was waited for', async () => {
    upstream.forget();
    upstream.script({ refuse: 'hang' });
    const row = await leave(false, () => upstream.request());
    expect(row).toMatchObject({ status: 499, code: 'client_closed_request', ending: 'client_left' });
    expect(row).toMatchObject({ usage_source: 'none', outcomes: ['cancelled'] });
  });

  it('has a client that left in the middle of a stream, billed for what came', async () => {
    upstream.script(brokenStreamAnswer(['one ', 'two ', 'three '], 'stall'));
    const row = await leave(true, async (socket) => {
      let text = '';
      while (!text.includes('three')) text += String((await once(socket, 'data'))[0]);
    });
    expect(row).toMatchObject({
      status: 499,
      ending: 'client_left',
      usage_source: 'estimated',
      completion_tokens: '4',
    });
    expect(row.outcomes).toEqual(['cancelled']);
  });

  it('keeps no word of what was said', async () => {
    await ask(completionAnswer('a secret answer'), { content: 'a secret question' });
    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    const rows = await database.run((manager) =>
      manager.query('SELECT to_json(usage_request)::text AS text FROM usage_request'),
    );
    expect(JSON.stringify(rows)).not.toContain('secret');
  });
});
