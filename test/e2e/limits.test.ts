import { APIError, RateLimitError } from 'openai';
import { request } from 'undici';
import { DatabaseService } from '../../src/database/database.service.js';
import type { Principal } from '../../src/domain/principal.js';
import { RedisService } from '../../src/redis/redis.service.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { findFreePort } from '../support/ports.js';
import { describeWithOwnRedis, startOwnRedis } from '../support/redis.js';
import { completionAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';

describe('limits of a key, as its clients meet them', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway({
      providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
      // 9 prompt and 3 completion tokens: 12 cents an answer.
      prices: { 'only/m': { input: '10000', output: '10000' } },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());

  const messages = [{ role: 'user' as const, content: 'hi' }];
  const clientOf = async (changes: Partial<Principal>) => gateway.openai(await gateway.mintKey(changes));
  const ask = async (client: ReturnType<TestGateway['openai']>, options: object = {}) =>
    client.chat.completions.create({ model: 'alias', messages, max_tokens: 3, ...options }).withResponse();

  async function refusalOf(promise: Promise<unknown>): Promise<APIError> {
    const error: unknown = await promise.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof APIError)) throw new Error(`no refusal: ${String(error)}`);
    return error;
  }

  it('are told with every answer, counted down, and refused as the SDK knows it', async () => {
    const client = await clientOf({ rpmLimit: 2, tpmLimit: 1_000 });
    upstream.script(completionAnswer('one'), completionAnswer('two'));
    const first = await ask(client);
    expect(Object.fromEntries(first.response.headers)).toMatchObject({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': expect.stringMatching(/^1m[01]s$/),
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': expect.stringMatching(/^9\d\d$/),
    });
    await ask(client);
    const refusal = await refusalOf(ask(client));
    expect(refusal).toBeInstanceOf(RateLimitError);
    expect(refusal).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(refusal.message).toMatch(/2 requests a minute/);
    expect(Number(refusal.headers?.get('retry-after'))).toBeGreaterThan(50);
    expect(refusal.headers?.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(upstream.requests).toHaveLength(2);
    const metrics = await (await request(gateway.metricsUrl)).body.text();
    expect(metrics).toContain('aegis_rate_limited_total{limit="requests"} 1');
  });

  it('say nothing of limits that a key does not have', async () => {
    upstream.script(completionAnswer('one'));
    const { response } = await ask(await clientOf({ maxParallelRequests: 5 }));
    expect([...response.headers.keys()].filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
  });

  it('count tokens as they were used, and refuse what never fits', async () => {
    const client = await clientOf({ tpmLimit: 100 });
    upstream.script(completionAnswer('one'), completionAnswer('two'));
    const first = await ask(client, { max_tokens: 80 });
    expect(Number(first.response.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(20);
    // 12 were used.
    const second = await ask(client, { max_tokens: 3 });
    expect(Number(second.response.headers.get('x-ratelimit-remaining-tokens'))).toBeGreaterThan(70);
    expect((await refusalOf(ask(client, { max_tokens: 200 }))).message).toMatch(/too large for this limit/);
  });

  it('hold a place for a stream until it ends, and free it where its client leaves', async () => {
    const client = await clientOf({ maxParallelRequests: 1 });
    upstream.script({ ...streamAnswer(['a', 'b', 'c', 'd']), pieceDelayMs: 50 });
    const stream = await client.chat.completions.create({ model: 'alias', messages, stream: true });
    const refusal = await refusalOf(ask(client));
    expect(refusal).toMatchObject({ status: 429, code: 'concurrency_limit_exceeded' });
    for await (const _chunk of stream);
    upstream.forget();

    upstream.script({ ...streamAnswer(Array.from({ length: 100 }, () => 'word')), pieceDelayMs: 50 });
    const left = await untilAdmitted(() => client.chat.completions.create({ model: 'alias', messages, stream: true }));
    left.controller.abort();
    upstream.forget();
    upstream.script(completionAnswer('free again'));
    await untilAdmitted(() => ask(client));
  });

  /** A place comes free as the connection closes, which its client does not see. */
  async function untilAdmitted<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof RateLimitError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  it('end a budget with 402 once it is spent, and say when the next one begins', async () => {
    const client = await clientOf({ budgetNanoUsd: 200_000_000n, budgetWindow: 'day' });
    upstream.script(completionAnswer('one'), completionAnswer('two'));
    await ask(client);
    await ask(client);
    const refusal = await refusalOf(ask(client));
    expect(refusal).toMatchObject({ status: 402, code: 'budget_exceeded', type: 'billing_error' });
    expect(refusal.message).toMatch(/budget of this API key is spent: \$0\.24 of \$0\.20/);
    expect(refusal.headers?.get('x-should-retry')).toBe('false');
    expect(upstream.requests).toHaveLength(2);
  });

  it('let one team spend what its budget says, with whichever of its keys', async () => {
    const owner = { organization: 'budgeted', team: 'alpha' };
    const [first, second] = [await clientOf(owner), await clientOf(owner)];
    const other = await clientOf({ ...owner, team: 'beta' });
    await gateway.gateway.app
      .get(DatabaseService, { strict: false })
      .run((manager) =>
        manager.query("UPDATE team SET budget_nano_usd = 100000000, budget_window = 'month' WHERE name = 'alpha'"),
      );
    upstream.script(completionAnswer('one'), completionAnswer('two'));
    await ask(first);
    const refusal = await refusalOf(ask(second));
    expect(refusal).toMatchObject({ status: 402, code: 'budget_exceeded' });
    expect(refusal.message).toMatch(/budget of the team is spent/);
    await ask(other);
  });

  it('count a request that only asks how it would be routed, but no tokens and no money', async () => {
    const key = await gateway.mintKey({
      mayExplain: true,
      rpmLimit: 2,
      tpmLimit: 50,
      budgetNanoUsd: 0n,
      budgetWindow: 'day',
    });
    const explain = () =>
      request(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-aegis-explain': '1' },
        body: JSON.stringify({ model: 'alias', messages, max_tokens: 1_000 }),
      });
    const first = await explain();
    await first.body.dump();
    expect([first.statusCode, first.headers['x-ratelimit-remaining-tokens']]).toEqual([200, '50']);
    await (await explain()).body.dump();
    const third = await explain();
    await third.body.dump();
    expect(third.statusCode).toBe(429);
    expect(await refusalOf(ask(gateway.openai(key)))).toMatchObject({ status: 402 });
  });

  it('are on the headers of streams and of errors', async () => {
    const client = await clientOf({ rpmLimit: 5 });
    upstream.script(streamAnswer(['a']));
    const { data, response } = await client.chat.completions
      .create({ model: 'alias', messages, stream: true })
      .withResponse();
    for await (const _chunk of data);
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('4');
    const refusal = await refusalOf(ask(client, { model: 'no such model' }));
    expect([refusal.status, refusal.headers?.get('x-ratelimit-remaining-requests')]).toEqual([404, '3']);
  });

  it('give back what a request took that nobody could serve', async () => {
    const client = await clientOf({ rpmLimit: 1 });
    await gateway.reload({
      providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: '' } },
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
      prices: { 'only/m': { input: '10000', output: '10000' } },
    });
    expect(await refusalOf(ask(client))).toMatchObject({ status: 503 });
    expect(await refusalOf(ask(client))).toMatchObject({ status: 503 });
  });
});

describeWithOwnRedis('limits counted in Redis, as clients meet them', () => {
  it('hold while it is there, let requests pass while it is frozen, and hold again by themselves', async () => {
    const server = await startOwnRedis(await findFreePort());
    const gateway = await startTestGateway({ gateway: { redis: { url: server.url } } });
    const redis = gateway.gateway.app.get(RedisService, { strict: false });
    const until = async (isAvailable: boolean) => {
      while (redis.isAvailable !== isAvailable) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await until(true);
    const client = gateway.openai(await gateway.mintKey({ rpmLimit: 2, budgetNanoUsd: 1n, budgetWindow: 'day' }));
    const ask = () =>
      client.chat.completions.create({ model: 'test-model', messages: [{ role: 'user', content: 'hi' }] }).then(
        () => 200,
        (error: unknown) => (error instanceof APIError ? error.status : error),
      );
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
    server.freeze();
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
    expect(redis.isAvailable).toBe(false);
    server.thaw();
    await until(true);
    expect(await ask()).toBe(429);
    await gateway.close();
    await server.close();
  });
});

describe('keys without limits', () => {
  it('are served while Redis cannot be asked, under every policy', async () => {
    const gateway = await startTestGateway({
      gateway: { redis: { url: 'redis://127.0.0.1:1' }, limits: { on_store_failure: 'closed' } },
    });
    const ask = (key?: string) =>
      gateway.openai(key).chat.completions.create({ model: 'test-model', messages: [{ role: 'user', content: 'hi' }] });
    await ask();
    const limited = await gateway.mintKey({ rpmLimit: 100 });
    await expect(ask(limited)).rejects.toMatchObject({ status: 503, code: 'dependency_unavailable' });
    await gateway.reload({ gateway: { redis: { url: 'redis://127.0.0.1:1' }, limits: { on_store_failure: 'open' } } });
    await ask(limited);
    await gateway.close();
  });
});
