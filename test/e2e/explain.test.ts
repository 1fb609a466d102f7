import { request } from 'undici';
import type { RoutingExplanation } from '../../src/domain/explanation.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { completionAnswer, errorAnswer, ScriptableUpstream } from '../support/scriptable-upstream.js';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly explanation: RoutingExplanation;
  readonly error: { readonly code: string; readonly type: string; readonly param: string; readonly message: string };
}

const CREDENTIAL = 'sk-credential-of-the-gateway';

/** Who has the right may ask what would become of a request, and gets an answer that is true, without it being sent. */
describe('X-Aegis-Explain', () => {
  let cloud: ScriptableUpstream;
  let house: ScriptableUpstream;
  let gateway: TestGateway;
  let key: string;

  beforeAll(async () => {
    cloud = await ScriptableUpstream.start();
    house = await ScriptableUpstream.start();
    const inCloud = { provider: 'cloud', model: 'm', classification_ceiling: 'INTERNAL' };
    const inHouse = { provider: 'house', model: 'm', classification_ceiling: 'RESTRICTED' };
    const keyless = { provider: 'keyless', model: 'm', classification_ceiling: 'RESTRICTED' };
    const claude = { provider: 'claude', model: 'm', classification_ceiling: 'RESTRICTED' };
    const shaky = { provider: 'shaky', model: 'm', classification_ceiling: 'RESTRICTED' };
    const address = `${cloud.url}/v1`;
    gateway = await startTestGateway({
      gateway: { routing: { circuit_breaker: { consecutive_failures: 1 } } },
      providers: {
        cloud: { type: 'openai', base_url: address, api_key: CREDENTIAL },
        house: { type: 'vllm', base_url: `${house.url}/v1` },
        keyless: { type: 'openai', base_url: 'https://api.openai.com/v1', api_key: '' },
        claude: { type: 'anthropic', base_url: address, api_key: CREDENTIAL },
        shaky: { type: 'openai', base_url: address, api_key: CREDENTIAL },
      },
      models: {
        anywhere: { primary: inCloud, fallback: [keyless, inHouse] },
        'cloud-only': { primary: inCloud },
        'claude-first': { primary: claude, fallback: [inHouse] },
        'claude-only': { primary: claude },
        'in-turn': {
          strategy: 'weighted',
          primary: [
            { ...inCloud, weight: 1 },
            { ...inHouse, weight: 1 },
          ],
        },
        'shaky-first': { primary: shaky, fallback: [inHouse] },
      },
      freeModels: ['cloud/m', 'house/m', 'keyless/m', 'claude/m', 'shaky/m'],
    });
    key = await gateway.mintKey({ mayExplain: true });
  });
  afterAll(async () => {
    await gateway.close();
    await cloud.close();
    await house.close();
  });
  beforeEach(() => {
    cloud.forget();
    house.forget();
    cloud.script(completionAnswer('from the cloud'));
    house.script(completionAnswer('from the house'));
  });

  async function send(chat: object, headers: Record<string, string> = {}, apiKey = key): Promise<Answer> {
    const {
      statusCode,
      headers: answered,
      body,
    } = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}`, ...headers },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'hello' }], ...chat }),
    });
    const text = await body.text();
    const parsed = JSON.parse(text) as RoutingExplanation & { error: Answer['error'] };
    return { status: statusCode, headers: answered, text, explanation: parsed, error: parsed.error };
  }

  const explain = (chat: object, headers: Record<string, string> = {}, apiKey = key): Promise<Answer> =>
    send(chat, { 'X-Aegis-Explain': '1', ...headers }, apiKey);

  const expectNobodyWasCalled = () => expect([...cloud.requests, ...house.requests]).toEqual([]);

  it('answers with the decision and calls nobody', async () => {
    const { status, headers, text, explanation } = await explain({ model: 'anywhere' }, { 'x-request-id': 'r-1' });
    expect(status).toBe(200);
    expect(explanation).toEqual({
      object: 'aegis.routing_decision',
      request_id: 'r-1',
      model: 'anywhere',
      level: 'INTERNAL',
      key: { prefix: expect.any(String), default_classification: 'INTERNAL', max_classification: 'RESTRICTED' },
      raised_by: null,
      strategy: 'priority',
      eligible: ['cloud/m', 'house/m'],
      targets: [
        {
          ...{ id: 'cloud/m', provider: 'cloud', model: 'm', role: 'primary' },
          ...{ classification_ceiling: 'INTERNAL', eligible: true, reason: null },
        },
        {
          ...{ id: 'keyless/m', provider: 'keyless', model: 'm', role: 'fallback' },
          ...{ classification_ceiling: 'RESTRICTED', eligible: false, reason: 'unconfigured' },
        },
        {
          ...{ id: 'house/m', provider: 'house', model: 'm', role: 'fallback' },
          ...{ classification_ceiling: 'RESTRICTED', eligible: true, reason: null },
        },
      ],
      outcome: 'would_call',
      error: null,
    });
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': expect.stringContaining('application/json'),
      'x-aegis-classification': 'INTERNAL',
      'x-request-id': 'r-1',
    });
    expect(headers['x-aegis-provider']).toBeUndefined();
    for (const secret of ['127.0.0.1', 'api.openai.com', CREDENTIAL]) expect(text).not.toContain(secret);
    expectNobodyWasCalled();
  });

  it('answers in JSON where a stream was asked for', async () => {
    const { status, headers, explanation } = await explain({ model: 'anywhere', stream: true });
    expect([status, explanation.outcome]).toEqual([200, 'would_call']);
    expect(headers['content-type']).toContain('application/json');
    expectNobodyWasCalled();
  });

  it.each(['true', 'TRUE', ' 1 '])('is meant by %j', async (value) => {
    expect((await explain({ model: 'anywhere' }, { 'X-Aegis-Explain': value })).explanation.outcome).toBe('would_call');
  });

  it.each(['0', 'yes', 'false', '1, 1', ''])('refuses %j, naming itself', async (value) => {
    expect(await explain({ model: 'anywhere' }, { 'X-Aegis-Explain': value })).toMatchObject({
      status: 400,
      error: { code: 'invalid_request', param: 'X-Aegis-Explain', message: expect.stringContaining('X-Aegis-Explain') },
    });
    expectNobodyWasCalled();
  });

  it('is refused to a key without the right', async () => {
    const refused = await explain({ model: 'anywhere' }, {}, gateway.key);
    expect(refused).toMatchObject({
      status: 403,
      headers: { 'x-should-retry': 'false' },
      error: { code: 'explain_not_allowed', type: 'permission_error' },
    });
    expect(refused.text).not.toContain('cloud');
    expectNobodyWasCalled();
  });

  it('says that the header raised the level, and who is cleared for it; and so it is', async () => {
    const raised = { 'X-Aegis-Classification': 'CONFIDENTIAL' };
    const { headers, explanation } = await explain({ model: 'anywhere' }, raised);
    expect(explanation).toMatchObject({
      level: 'CONFIDENTIAL',
      raised_by: { header: true, rules: [] },
      eligible: ['house/m'],
      targets: [{ reason: 'ceiling' }, { reason: 'unconfigured' }, { reason: null }],
    });
    expect(headers['x-aegis-classification']).toBe('CONFIDENTIAL');
    expect((await send({ model: 'anywhere' }, raised)).headers['x-aegis-provider']).toBe('house');
  });

  it('tells the error that the request would end with', async () => {
    const level = { 'X-Aegis-Classification': 'RESTRICTED' };
    const { status, explanation } = await explain({ model: 'cloud-only' }, level);
    const real = await send({ model: 'cloud-only' }, level);
    expect([status, explanation.outcome, explanation.eligible]).toEqual([200, 'classification_denied', []]);
    const { request_id: _id, ...error } = real.explanation.error as unknown as { request_id: string };
    expect(explanation.error).toEqual({ status: real.status, ...error });
  });

  it('tells what a target cannot express, and who can', async () => {
    const chat = { model: 'claude-first', logprobs: true };
    const { explanation } = await explain(chat);
    expect(explanation).toMatchObject({
      eligible: ['house/m'],
      targets: [
        { id: 'claude/m', eligible: false, reason: null, cannot_express: expect.stringContaining('logprobs') },
        {},
      ],
      outcome: 'would_call',
    });
    expectNobodyWasCalled();
    expect((await send(chat)).headers['x-aegis-provider']).toBe('house');
    expect((await explain({ ...chat, model: 'claude-only' })).explanation).toMatchObject({
      outcome: 'unsupported_parameter',
      error: { status: 400, param: 'logprobs' },
    });
  });

  it('tells whose circuit is open, and until when', async () => {
    cloud.script(errorAnswer(500, 'down'));
    expect((await send({ model: 'shaky-first' })).headers['x-aegis-provider']).toBe('house');
    const { explanation } = await explain({ model: 'shaky-first' });
    const [shaky] = explanation.targets;
    expect(shaky).toMatchObject({ eligible: false, reason: 'circuit_open' });
    expect(shaky?.retry_after_ms).toBeGreaterThan(0);
    expect(explanation.eligible).toEqual(['house/m']);
  });

  it("takes nobody's turn", async () => {
    for (let turn = 0; turn < 4; turn++) {
      const first = (await explain({ model: 'in-turn' })).explanation.eligible;
      expect((await explain({ model: 'in-turn' })).explanation.eligible).toEqual(first);
      expect(`${(await send({ model: 'in-turn' })).headers['x-aegis-provider']}/m`).toBe(first[0]);
    }
    expect([cloud.requests.length, house.requests.length]).toEqual([2, 2]);
  });

  it.each([
    ['an unknown model', 404, { model: 'nothing' }, {}],
    ['a model that is not allowed', 403, { model: 'cloud-only' }, { allowedModels: ['anywhere'] }],
    ["a level above the key's", 403, { model: 'anywhere' }, { maxClassification: 'INTERNAL' as const }],
    ['a credential in the text', 400, { model: 'anywhere', user: ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('') }, {}],
    ['a body that is none', 400, { messages: 'none' }, {}],
  ])('changes nothing of the refusal of %s', async (_name, status, chat, changes) => {
    const narrow = await gateway.mintKey({ mayExplain: true, ...changes });
    const level: Record<string, string> =
      'maxClassification' in changes ? { 'X-Aegis-Classification': 'RESTRICTED' } : {};
    const headers = { ...level, 'x-request-id': 'same' };
    const [explained, real] = [await explain(chat, headers, narrow), await send(chat, headers, narrow)];
    expect(explained.status).toBe(status);
    expect([explained.status, explained.text]).toEqual([real.status, real.text]);
    expectNobodyWasCalled();
  });

  it('is in the OpenAPI document', async () => {
    const document = await (await request(`${gateway.url}/aegis/v1/openapi.json`)).body.text();
    expect(document).toContain('X-Aegis-Explain');
    expect(document).toContain('aegis.routing_decision');
  });
});
