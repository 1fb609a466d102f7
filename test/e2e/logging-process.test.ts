import OpenAI from 'openai';
import { REQUEST_LINE_FIELDS } from '../../src/telemetry/request-line.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process.js';

const OF_EVERY_LINE = ['level', 'time', 'service'];
const WAIT_MS = 15_000;

/** The built gateway in a process of its own: what it writes is what an operator reads. */
describe('the log', () => {
  let host: TestGateway;
  let gateway: GatewayProcess;
  let openai: OpenAI;
  let asked = 0;

  const config = (telemetry: object): TestConfig => ({
    gateway: {
      server: { host: '127.0.0.1', port: 0 },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, ...telemetry },
    },
  });

  beforeAll(async () => {
    host = await startTestGateway();
    await host.reload(config({ log_level: 'info' }));
    gateway = spawnGateway({ AEGIS_CONFIG_DIR: host.configDirectory });
    const { url } = await gateway.logged('gateway is listening');
    openai = new OpenAI({ apiKey: host.key, baseURL: `${String(url)}/v1`, maxRetries: 0 });
  });
  afterAll(async () => {
    gateway.child.kill('SIGTERM');
    await gateway.exited;
    await host.close();
  });

  const lines = (): string[] => gateway.output().split('\n').filter(Boolean);
  const requestLines = (): string[] => lines().filter((line) => line.includes('/v1/chat/completions'));

  async function waitFor(condition: () => boolean): Promise<void> {
    for (const deadline = performance.now() + WAIT_MS; !condition(); ) {
      if (performance.now() > deadline) throw new Error(`it was not logged:\n${gateway.output()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const ask = (id: string) =>
    openai.chat.completions.create(
      { model: 'test-model', messages: [{ role: 'user', content: 'hello' }] },
      { headers: { 'x-request-id': id, 'x-aegis-project': 'atlas' } },
    );

  /** Reloads, and asks until the log is as it should be: a level may hold back the very line that tells of the reload. */
  async function reload(telemetry: object, isAsItShouldBe: (id: string) => boolean): Promise<void> {
    await host.reload(config(telemetry));
    gateway.child.kill('SIGHUP');
    for (const deadline = performance.now() + WAIT_MS; ; ) {
      const id = `asked-${asked++}`;
      await ask(id);
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (isAsItShouldBe(id)) return;
      if (performance.now() > deadline) throw new Error(`it was not logged:\n${gateway.output()}`);
    }
  }

  const lineOf = (id: string): string | undefined => requestLines().find((line) => line.includes(id));

  it('has one line of JSON a request, with the documented fields and no others, in their order', async () => {
    await ask('first');
    await waitFor(() => requestLines().length > 0);
    expect(requestLines()).toHaveLength(1);
    const fields = Object.keys(JSON.parse(requestLines()[0] ?? '') as object);
    const documented = [...OF_EVERY_LINE, ...Object.keys(REQUEST_LINE_FIELDS), 'msg'];
    expect(fields).toEqual(documented.filter((name) => fields.includes(name)));
    expect(fields).toEqual(
      expect.arrayContaining([
        'requestId',
        'status',
        'durationMs',
        'overheadMs',
        'keyId',
        'model',
        'project',
        'provider',
      ]),
    );
  });

  it('takes another level and another format without a restart', async () => {
    await reload({ log_level: 'error' }, (id) => lineOf(id) === undefined);
    await reload({ log_level: 'info', log_format: 'pretty' }, (id) => lineOf(id)?.startsWith('{') === false);
    await reload({ log_level: 'info', log_format: 'json' }, (id) => lineOf(id)?.startsWith('{') === true);
  });
});
