import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

const target = (model: string) => ({ provider: 'simulator', model, classification_ceiling: 'RESTRICTED' });

const config = (policy: 'deny' | 'flag' | 'allow') => ({
  gateway: { cost: { on_missing_pricing: policy } },
  models: { priced: { primary: target('simulator') }, unpriced: { primary: target('newcomer') } },
});

describe('models without a price', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startTestGateway(config('deny'));
  });
  afterAll(() => gateway.close());

  const ask = (model: string) =>
    gateway.openai().chat.completions.create({ model, messages: [{ role: 'user', content: 'hello' }] });
  const metrics = async (): Promise<string> => (await request(gateway.metricsUrl)).body.text();
  const recorded = async (): Promise<string> => {
    // A request is recorded when its connection is done with it, which may be just after its client is.
    let text = await metrics();
    while (!text.includes('aegis_requests_in_flight 0')) text = await metrics();
    return text;
  };
  const MARK = 'aegis_unpriced_requests_total{model="unpriced",provider="simulator"}';

  it('are refused under deny, let through under allow, and let through and counted under flag', async () => {
    await expect(ask('unpriced')).rejects.toMatchObject({ status: 402, code: 'pricing_unknown' });
    await gateway.reload(config('allow'));
    await ask('unpriced');
    expect(await recorded()).not.toContain(MARK);
    await gateway.reload(config('flag'));
    await ask('unpriced');
    await ask('priced');
    const text = await recorded();
    expect(text).toContain(`${MARK} 1`);
    expect(text).not.toContain('aegis_unpriced_requests_total{model="priced"');
  });

  it('are counted by a gauge that follows the configuration', async () => {
    expect(await metrics()).toContain('aegis_unpriced_targets 1');
    expect(await metrics()).toContain('aegis_pricing_age_seconds 0');
    await gateway.reload({ ...config('flag'), freeModels: ['simulator/newcomer'] });
    expect(await metrics()).toContain('aegis_unpriced_targets 0');
  });
});
