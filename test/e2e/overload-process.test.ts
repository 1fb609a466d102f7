import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool, request } from 'undici';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process.js';
import { scrape } from '../support/scrape.js';
import { completionAnswer, ScriptableUpstream } from '../support/scriptable-upstream.js';

const CHAT = '/v1/chat/completions';
const CLIENTS = 96;
const PROMPT = 'the quick brown fox jumps over the lazy dog and counts to 4711. '.repeat(3_000);
/** Long enough for the slowest machine to have met an overload. */
const DEADLINE_MS = 90_000;
const PROBE_EVERY_MS = 100;
const PROBE_WITHIN_MS = 5_000;

/** The built gateway in a process of its own, and more large prompts at a time than one processor can search. */
describe('a gateway that is asked for more than it can do', () => {
  let upstream: ScriptableUpstream;
  let host: TestGateway;
  let gateway: GatewayProcess;
  let url: string;
  let metricsUrl: string;

  const config = (): TestConfig => ({
    gateway: {
      server: { host: '127.0.0.1', port: 0, graceful_shutdown: '2s', overload: { target_delay: '5ms' } },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
    },
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });

  beforeAll(async () => {
    upstream = (await ScriptableUpstream.start()).script(completionAnswer('yes'));
    host = await startTestGateway();
    await host.reload(config());
    gateway = spawnGateway({ AEGIS_CONFIG_DIR: host.configDirectory });
    const started = await gateway.logged('gateway is listening');
    url = String(started.url);
    metricsUrl = String(started.metricsUrl);
  });
  afterAll(async () => {
    gateway.child.kill('SIGKILL');
    await gateway.exited;
    await host.close();
    await upstream.close();
  });

  const ask = async (client: Pool, text: string) => {
    const answer = await client.request({
      method: 'POST',
      path: CHAT,
      headers: { authorization: `Bearer ${host.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: text }] }),
    });
    const body = (await answer.body.json()) as { error?: { code: string } };
    return { status: answer.statusCode, retryAfter: answer.headers['retry-after'], code: body.error?.code };
  };

  /** A request of which half the body is there when the overload begins. */
  async function sendHalf(): Promise<{ socket: Socket; finish: () => Promise<string> }> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const body = JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: 'patience' }] });
    socket.write(
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${host.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 20)}`,
    );
    return {
      socket,
      finish: async () => {
        socket.write(body.slice(20));
        const [bytes] = (await once(socket, 'data')) as [Buffer];
        return bytes.toString('latin1').slice(0, 12);
      },
    };
  }

  it('refuses what it cannot do at once, serves the rest, answers its probes, and recovers by itself', async () => {
    const clients = new Pool(url, { connections: CLIENTS, pipelining: 1 });
    const half = await sendHalf();
    expect((await ask(clients, 'hello')).status).toBe(200);
    const flights = async (): Promise<number> => (await scrape(metricsUrl)).get('aegis_requests_in_flight') ?? 0;
    while ((await flights()) < 1) await sleep(20);

    const counts = { served: 0, refused: 0 };
    const surprises: unknown[] = [];
    const patiences: number[] = [];
    let isLoaded = true;
    const load = Array.from({ length: CLIENTS }, async () => {
      while (isLoaded) {
        const answer = await ask(clients, PROMPT);
        if (answer.status === 200) counts.served += 1;
        else if (answer.status === 503 && answer.code === 'overloaded' && Number(answer.retryAfter) >= 1) {
          counts.refused += 1;
          await sleep(20);
        } else surprises.push(answer);
      }
    });
    const probes = (async () => {
      let slowestMs = 0;
      while (isLoaded) {
        const sentAt = performance.now();
        const probe = await request(`${url}/aegis/v1/health/live`);
        await probe.body.dump();
        if (probe.statusCode !== 200) surprises.push(probe.statusCode);
        slowestMs = Math.max(slowestMs, performance.now() - sentAt);
        await sleep(PROBE_EVERY_MS);
      }
      return slowestMs;
    })();
    for (const deadline = Date.now() + DEADLINE_MS; Date.now() < deadline; await sleep(200)) {
      patiences.push((await scrape(metricsUrl)).get('aegis_admission_patience_seconds') ?? Number.NaN);
      if (counts.refused >= 100 && counts.served >= 100) break;
    }
    // Right in the middle of it.
    expect(await half.finish()).toBe('HTTP/1.1 200');
    half.socket.destroy();
    isLoaded = false;
    await Promise.all(load);

    expect(surprises).toEqual([]);
    expect(counts.refused).toBeGreaterThanOrEqual(100);
    expect(counts.served).toBeGreaterThanOrEqual(100);
    expect(await probes).toBeLessThan(PROBE_WITHIN_MS);
    const samples = await scrape(metricsUrl);
    expect(samples.get('aegis_requests_shed_total{reason="delay"}')).toBe(counts.refused);
    expect(Math.min(...patiences)).toBeLessThan(0.125);

    // Nothing is done to it, and nothing is left of it.
    let patience = 0;
    for (const deadline = Date.now() + DEADLINE_MS; patience < 0.125 && Date.now() < deadline; await sleep(100)) {
      patience = (await scrape(metricsUrl)).get('aegis_admission_patience_seconds') ?? 0;
    }
    expect(patience).toBe(0.125);
    expect((await ask(clients, PROMPT)).status).toBe(200);
    const lines = gateway.output().split('\n');
    const refusal = lines.find((line) => line.includes('"code":"overloaded"')) ?? '{}';
    expect(JSON.parse(refusal)).toMatchObject({ msg: 'request', level: 'info', status: 503, cause: 'gateway' });
    expect(lines.filter((line) => line.includes('"code":"overloaded"'))).toHaveLength(counts.refused);
    await clients.close();
  }, 240_000);
});
