import { request } from 'undici';
import { LastUsedRecorder } from '../../src/auth/last-used.recorder.js';
import { ApiKeyRepository } from '../../src/database/api-key.repository.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

describe('keys of a running gateway', () => {
  let gateway: TestGateway;
  let keys: ApiKeyRepository;

  beforeAll(async () => {
    gateway = await startTestGateway();
    keys = gateway.gateway.app.get(ApiKeyRepository, { strict: false });
  });
  afterAll(() => gateway.close());

  const status = async (key: string): Promise<number> => {
    const answer = await request(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    await answer.body.dump();
    return answer.statusCode;
  };

  it('count as used whatever they are used for', async () => {
    const key = await gateway.mintKey({ keyName: 'looks only' });
    expect(await status(key)).toBe(200);
    await gateway.gateway.app.get(LastUsedRecorder, { strict: false }).flush();
    const used = (await keys.list()).find(({ principal }) => principal.keyName === 'looks only');
    expect(used?.lastUsedAt).toBeInstanceOf(Date);
  });

  it('end when they expire, cached or not', async () => {
    const key = await gateway.mintKey({ expiresAtMs: Date.now() + 1_000 });
    expect(await status(key)).toBe(200);
    while ((await status(key)) === 200) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await status(key)).toBe(401);
  });

  it('end when they are revoked, on a gateway that has them in memory', async () => {
    const key = await gateway.mintKey({ keyName: 'to be revoked' });
    expect(await status(key)).toBe(200);
    const record = (await keys.list()).find(({ principal }) => principal.keyName === 'to be revoked');
    await keys.revoke(record?.principal.keyId ?? '', 'lost');
    while ((await status(key)) === 200) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await status(key)).toBe(401);
  });
});
