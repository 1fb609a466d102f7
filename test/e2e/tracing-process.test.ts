import { join } from 'node:path';
import OpenAI from 'openai';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { spawnGateway } from '../support/gateway-process.js';
import { findSpanProblems } from '../support/genai-conventions.js';
import { OtlpReceiver } from '../support/otlp.js';

/** The built gateway in a process of its own. */
describe('tracing in production', () => {
  let host: TestGateway;

  beforeAll(async () => {
    host = await startTestGateway();
    await host.reload({
      gateway: {
        server: { host: '127.0.0.1', port: 0 },
        telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
      },
    });
  });
  afterAll(() => host.close());

  /** One request, then the end; how many modules of OpenTelemetry's SDK the process had loaded by then, and its log line. */
  async function run(environment: Record<string, string>): Promise<{ count: number; line: Record<string, unknown> }> {
    const gateway = spawnGateway({
      AEGIS_CONFIG_DIR: host.configDirectory,
      NODE_OPTIONS: `--require ${join(process.cwd(), 'test', 'support', 'loaded-modules.cjs')}`,
      ...environment,
    });
    try {
      const { url } = await gateway.logged('gateway is listening');
      const openai = new OpenAI({ apiKey: host.key, baseURL: `${String(url)}/v1`, maxRetries: 0 });
      await openai.chat.completions.create({ model: 'test-model', messages: [{ role: 'user', content: 'hello' }] });
      const line = await gateway.logged('request');
      gateway.child.kill('SIGTERM');
      expect(await gateway.exited).toBe(0);
      const { count } = await gateway.logged('loaded modules');
      return { count: Number(count), line };
    } finally {
      gateway.child.kill('SIGKILL');
    }
  }

  it('loads nothing of OpenTelemetry where no endpoint is set', async () => {
    const { count, line } = await run({});
    expect(count).toBe(0);
    expect(line).not.toHaveProperty('traceId');
  });

  it("sends what it has before it ends, where the environment's standard variable says to", async () => {
    const receiver = await OtlpReceiver.start();
    try {
      const { count, line } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
      expect(count).toBeGreaterThan(0);
      const spans = await receiver.spans();
      expect(spans.flatMap(findSpanProblems)).toEqual([]);
      expect(spans.map(({ kind }) => kind).sort()).toEqual(['internal', 'server']);
      const server = spans.find(({ kind }) => kind === 'server');
      expect(line).toMatchObject({ traceId: server?.traceId, spanId: server?.spanId });
      expect((await receiver.points()).map(({ metric }) => metric)).toContain('gen_ai.client.operation.duration');
    } finally {
      await receiver.close();
    }
  });
});
