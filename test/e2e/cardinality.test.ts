import { Agent, request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { metricOf, type Samples, scrape } from '../support/scrape.js';

const HOSTILE = 10_000;
const AT_ONCE = 64;
const SOON_MS = 60_000;

describe('what clients make up', () => {
  let gateway: TestGateway;
  const agent = new Agent({ connections: AT_ONCE });

  beforeAll(async () => {
    // So few that the first hundred requests meet the throttle, too.
    gateway = await startTestGateway({ gateway: { auth: { max_failures_per_minute: 10 } } });
  });
  afterAll(async () => {
    await agent.destroy();
    await gateway.close();
  });

  /** One request with everything in it made up: model, key on every other, headers, path on every tenth. */
  async function attack(number: number): Promise<void> {
    const name = `hostile-${number}-${'x'.repeat(number % 40)}`;
    const key = number % 2 === 0 ? gateway.key : number % 4 === 1 ? gateway.unknownKey() : `aegis-${name}`;
    const path = number % 10 === 9 ? `/v1/${name}?q=${name}` : '/v1/chat/completions';
    const answer = await request(`${gateway.url}${path}`, {
      dispatcher: agent,
      method: number % 7 === 0 ? 'PUT' : 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-request-id': name,
        'x-aegis-project': name.slice(0, 60),
        'x-aegis-classification': number % 3 === 0 ? name : 'INTERNAL',
        'user-agent': name,
        traceparent: `00-${number.toString(16).padStart(32, 'a')}-${number.toString(16).padStart(16, 'b')}-01`,
        tracestate: `${name.replaceAll('-', '')}=${number}`,
        'openai-organization': name,
        [`x-${name}`]: name,
      },
      body: JSON.stringify({
        model: number % 5 === 0 ? 'test-model' : name,
        user: name,
        messages: [{ role: 'user', content: name }],
      }),
    });
    await answer.body.dump();
  }

  async function settled(): Promise<Samples> {
    for (const deadline = performance.now() + SOON_MS; ; ) {
      const samples = await scrape(gateway.metricsUrl);
      if (samples.get('aegis_requests_in_flight') === 0) return samples;
      if (performance.now() > deadline) throw new Error('requests stay in flight');
    }
  }

  it(`makes no series: ${HOSTILE} models, keys and headers leave as many as the first hundred did`, async () => {
    for (let number = 0; number < 140; number++) await attack(number);
    const before = await settled();

    let next = 140;
    const worker = async (): Promise<void> => {
      while (next < HOSTILE + 140) await attack(next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const after = await settled();

    const ours = (samples: Samples) => [...samples.keys()].filter((sample) => sample.startsWith('aegis_')).sort();
    expect(
      ours(after)
        .filter((sample) => !before.has(sample))
        .slice(0, 5),
    ).toEqual([]);
    expect(
      ours(after)
        .filter((sample) => /hostile|xxxx/.test(sample))
        .slice(0, 5),
    ).toEqual([]);
    // And yet all of them were counted.
    const total = (samples: Samples) =>
      [...samples]
        .filter(([sample]) => metricOf(sample) === 'aegis_requests_total')
        .reduce((sum, [, value]) => sum + value, 0);
    expect(total(after) - total(before)).toBeGreaterThanOrEqual(HOSTILE);
  }, 120_000);
});
