import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { completionAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';

describe('hot reload', () => {
  let first: ScriptableUpstream;
  let second: ScriptableUpstream;
  let gateway: TestGateway;

  const served = (upstream: ScriptableUpstream) => ({
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });

  beforeAll(async () => {
    first = await ScriptableUpstream.start();
    second = await ScriptableUpstream.start();
    gateway = await startTestGateway(served(first));
  });
  afterAll(async () => {
    await gateway.close();
    await first.close();
    await second.close();
  });

  const ask = () =>
    gateway.openai().chat.completions.create({ model: 'alias', messages: [{ role: 'user', content: 'who are you?' }] });

  async function health(): Promise<{
    status: string;
    details: { configuration: { status: string; version: string } };
  }> {
    const answer = await request(`${gateway.url}/aegis/v1/health`);
    return (await answer.body.json()) as Awaited<ReturnType<typeof health>>;
  }

  it('sends the next request where the new files say, while a stream goes on where it began', async () => {
    first.script({ ...streamAnswer(['one ', 'two ', 'three']), pieceDelayMs: 30 });
    const stream = await gateway.openai().chat.completions.create({
      model: 'alias',
      stream: true,
      messages: [{ role: 'user', content: 'count' }],
    });
    second.script(completionAnswer('the second'));
    expect(await gateway.reload(served(second))).toBe('applied');
    expect((await ask()).choices[0]?.message.content).toBe('the second');
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('one two three');
  });

  it('keeps the last good configuration when the new one is wrong, and says so', async () => {
    const before = await health();
    const broken = { ...served(second), models: { alias: { primary: { provider: 'nobody', model: 'm' } } } };
    expect(await gateway.reload(broken)).toBe('rejected');
    expect((await ask()).choices[0]?.message.content).toBe('the second');
    const after = await health();
    expect(after.details.configuration.status).toBe('degraded');
    expect(after.details.configuration.version).toBe(before.details.configuration.version);
    const metrics = await (await request(gateway.metricsUrl)).body.text();
    expect(metrics).toMatch(/aegis_config_reloads_total\{outcome="rejected"\} [1-9]/);

    expect(await gateway.reload(served(second))).not.toBe('rejected');
    expect((await health()).details.configuration.status).toBe('up');
  });

  it('never shows on the public health route what is in the files', async () => {
    const models = { alias: { primary: { provider: 'nobody-of-that-name', model: 'm' } } };
    expect(await gateway.reload({ ...served(second), models })).toBe('rejected');
    expect(JSON.stringify(await health())).not.toContain('nobody-of-that-name');
    await gateway.reload(served(second));
  });
});
