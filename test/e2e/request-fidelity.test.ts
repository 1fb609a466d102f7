import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { findShared, loadRecordings } from '../support/recordings.js';
import { completionAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';

const recordings = findShared('recordings');

describe('what an OpenAI-compatible upstream gets', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway({
      gateway: { filters: { secrets: { action: 'flag' } } },
      providers: {
        upstream: {
          type: 'openai',
          base_url: `${upstream.url}/v1`,
          api_key: 'upstream-credential',
          headers: { 'openai-organization': 'org-ours' },
        },
      },
      models: {
        alias: { primary: { provider: 'upstream', model: 'gpt-4o-mini', classification_ceiling: 'RESTRICTED' } },
      },
      freeModels: ['upstream/gpt-4o-mini'],
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());

  async function send(body: string, headers: Record<string, string> = {}): Promise<number> {
    const stream = (JSON.parse(body) as { stream?: boolean }).stream === true;
    upstream.script(stream ? streamAnswer(['Hel', 'lo']) : completionAnswer('Hello'));
    const answer = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json', ...headers },
      body,
    });
    await answer.body.text();
    return answer.statusCode;
  }

  it("is the client's own bytes with the model's name in them changed", async () => {
    const body =
      '{ "model" : "alias",  "seed": 9007199254740993, "x_unknown": [1.0, "\\u00e9"],\n "messages":[{"role":"user","content":"hi"}] }';
    expect(await send(body)).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe(body.replace('"alias"', '"gpt-4o-mini"'));
  });

  it('is asked for usage in every stream, so that tokens are always counted', async () => {
    const body = { model: 'alias', stream: true, messages: [{ role: 'user', content: 'hi' }] };
    await send(JSON.stringify(body));
    await send(JSON.stringify({ ...body, stream_options: { include_usage: false, include_obfuscation: false } }));
    expect(upstream.requests.map((sent) => (sent.json() as { stream_options: object }).stream_options)).toEqual([
      { include_usage: true },
      { include_usage: true, include_obfuscation: false },
    ]);
  });

  it("carries our credential and headers and nothing of the client's", async () => {
    await send(JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: 'hi' }] }), {
      cookie: 'session=1',
      'x-forwarded-for': '10.0.0.1',
      'openai-organization': 'org-theirs',
      'x-custom': 'theirs',
      'user-agent': 'their-agent',
    });
    const { headers } = await upstream.request();
    expect(headers.authorization).toBe('Bearer upstream-credential');
    expect(headers['openai-organization']).toBe('org-ours');
    expect(JSON.stringify(headers)).not.toMatch(/session=1|10\.0\.0\.1|theirs|their-agent|aegis-test-/);
  });

  (recordings ? describe : describe.skip)('for every recorded real request to OpenAI', () => {
    const bodies = (recordings ? loadRecordings(recordings, ['chat.completions']) : [])
      .filter(({ recording }) => recording.provider === 'openai')
      .map(({ recording }) => [recording.id, recording.request?.body_text] as const)
      .filter((entry): entry is readonly [string, string] => typeof entry[1] === 'string');

    it('has such requests', () => expect(bodies.length).toBeGreaterThan(50));

    it.each(bodies)('%s', async (_id, recorded) => {
      const original = JSON.parse(recorded) as Record<string, unknown>;
      expect(await send(JSON.stringify({ ...original, model: 'alias' }))).toBe(200);
      const sent = upstream.requests[0]?.json() as Record<string, unknown>;
      const { stream_options: options, ...rest } = sent;
      const { stream_options: originalOptions, ...originalRest } = original;
      expect(rest).toEqual({ ...originalRest, model: 'gpt-4o-mini' });
      if (original.stream === true) expect(options).toEqual({ ...(originalOptions as object), include_usage: true });
      else expect(options).toEqual(originalOptions);
    });
  });
});
