import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { completionAnswer, ScriptableUpstream } from '../support/scriptable-upstream.js';

/** A prompt that must not leave the house is routed to the house's own model, or refused. */
describe('classification', () => {
  let cloud: ScriptableUpstream;
  let house: ScriptableUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    cloud = await ScriptableUpstream.start();
    house = await ScriptableUpstream.start();
    cloud.script(completionAnswer('from the cloud'));
    house.script(completionAnswer('from the house'));
    const inCloud = { provider: 'cloud', model: 'm', classification_ceiling: 'INTERNAL' };
    const inHouse = { provider: 'house', model: 'm', classification_ceiling: 'RESTRICTED' };
    gateway = await startTestGateway({
      providers: {
        cloud: { type: 'openai', base_url: `${cloud.url}/v1`, api_key: 'credential' },
        house: { type: 'vllm', base_url: `${house.url}/v1` },
      },
      models: {
        anywhere: { primary: inCloud, fallback: [inHouse] },
        'cloud-only': { primary: inCloud },
      },
      freeModels: ['cloud/m', 'house/m'],
    });
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
  });

  async function ask(model: string, level?: string, key = gateway.key): Promise<Response> {
    const { response } = await gateway
      .openai(key)
      .chat.completions.create(
        { model, messages: [{ role: 'user', content: 'hello' }] },
        { headers: level === undefined ? {} : { 'X-Aegis-Classification': level } },
      )
      .withResponse();
    return response;
  }

  it("starts at the key's default", async () => {
    const response = await ask('anywhere');
    expect(response.headers.get('x-aegis-provider')).toBe('cloud');
    expect(response.headers.get('x-aegis-classification')).toBe('INTERNAL');
  });

  it('is raised by the header and then routed to a target that is cleared', async () => {
    const response = await ask('anywhere', 'confidential');
    expect(response.headers.get('x-aegis-provider')).toBe('house');
    expect(response.headers.get('x-aegis-classification')).toBe('CONFIDENTIAL');
    expect(cloud.requests).toHaveLength(0);
  });

  it('is never lowered by the header', async () => {
    expect((await ask('anywhere', 'PUBLIC')).headers.get('x-aegis-classification')).toBe('INTERNAL');
  });

  it('refuses where nobody is cleared, naming the model and the level', async () => {
    await expect(ask('cloud-only', 'RESTRICTED')).rejects.toMatchObject({
      status: 403,
      code: 'classification_denied',
      message: expect.stringMatching(/cloud-only.*RESTRICTED/s),
    });
    expect(cloud.requests).toHaveLength(0);
  });

  it("refuses a level above the key's maximum", async () => {
    const key = await gateway.mintKey({ maxClassification: 'INTERNAL' });
    await expect(ask('anywhere', 'CONFIDENTIAL', key)).rejects.toMatchObject({
      status: 403,
      code: 'classification_denied',
    });
  });

  it('holds on fallbacks: a target that is not cleared is not tried when the cleared one fails', async () => {
    house.script({ status: 500 });
    await expect(ask('anywhere', 'RESTRICTED')).rejects.toMatchObject({ status: 502 });
    expect(cloud.requests).toHaveLength(0);
    house.script(completionAnswer('from the house'));
  });

  it('falls back to a cleared target when the first one fails', async () => {
    cloud.script({ status: 529 });
    const response = await ask('anywhere');
    expect(response.headers.get('x-aegis-provider')).toBe('house');
    expect(response.headers.get('x-aegis-attempts')).toBe('2');
  });
});
