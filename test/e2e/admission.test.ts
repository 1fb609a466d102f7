import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { request } from 'undici';
import { DatabaseService } from '../../src/database/database.service.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { scrape } from '../support/scrape.js';
import { completionAnswer, ScriptableUpstream } from '../support/scriptable-upstream.js';

const CHAT = '/v1/chat/completions';
const MEBIBYTE = 1024 * 1024;
const QUESTION = JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: 'hi' }] });

interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: { readonly error?: { readonly code: string; readonly request_id: string } };
}

/** A client that decides itself what it sends and when. */
class RawClient {
  private text = '';
  readonly closed: Promise<unknown>;

  private constructor(private readonly socket: Socket) {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.text += bytes;
    });
    this.closed = once(socket, 'close');
  }

  static async connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  leave(): void {
    this.socket.destroy();
  }

  /** The next whole answer. */
  async answer(): Promise<Answer> {
    for (;;) {
      const end = this.text.indexOf('\r\n\r\n');
      const headers = this.text.slice(0, Math.max(end, 0));
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1] ?? 0);
      if (end >= 0 && this.text.length >= end + 4 + length) {
        const body = this.text.slice(end + 4, end + 4 + length);
        this.text = this.text.slice(end + 4 + length);
        return { status: Number(headers.slice(9, 12)), headers, body: JSON.parse(body) as Answer['body'] };
      }
      await once(this.socket, 'data');
    }
  }
}

// Each test starts a gateway, and the audit's way to the database takes its time.
jest.setTimeout(90_000);

describe('what is not taken on', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  const config = (overload: object, bodyLimit = '20MiB'): TestConfig => ({
    gateway: {
      server: { host: '127.0.0.1', port: 0, graceful_shutdown: '2s', body_limit: bodyLimit, overload },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'silent' },
    },
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });

  beforeEach(async () => {
    upstream = await ScriptableUpstream.start();
  });
  afterEach(async () => {
    await gateway.close();
    await upstream.close();
  });

  const head = (more: string): string =>
    `POST ${CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\n` +
    `content-type: application/json\r\n${more}\r\n`;
  const whole = (more = ''): string => `${head(`content-length: ${QUESTION.length}\r\n${more}`)}${QUESTION}`;
  /** So far; gateways in one process count together. */
  const count = async (sample: string): Promise<number> => (await scrape(gateway.metricsUrl)).get(sample) ?? 0;

  /** Refusals in the audit. */
  async function countRecorded(): Promise<number> {
    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    const rows = await database.run((manager) =>
      manager.query<{ record: string }[]>("SELECT record FROM audit_record WHERE type = 'request.decided'"),
    );
    const events = rows.map(({ record }) => JSON.parse(record) as { decision: string; reason: string; count?: number });
    const refusals = events.filter(({ decision, reason }) => decision === 'deny' && reason === 'overloaded');
    return refusals.reduce((sum, event) => sum + (event.count ?? 0), 0);
  }

  async function expectRefusal({ status, headers, body }: Answer): Promise<void> {
    expect(status).toBe(503);
    expect(body.error).toMatchObject({ code: 'overloaded', type: 'server_error', param: null });
    const retryAfter = Number(/\r\nretry-after: (\d+)/i.exec(headers)?.[1]);
    expect(retryAfter).toBeGreaterThanOrEqual(1);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(headers).toContain(`x-request-id: ${body.error?.request_id}`);
  }

  it('is refused while as many requests are open as may be, on a connection that goes on, and then served', async () => {
    gateway = await startTestGateway(config({ max_in_flight: 2 }));
    upstream.script({ refuse: 'hang' }, { refuse: 'hang' }, completionAnswer('at last'));
    const holders = [await RawClient.connect(gateway.url), await RawClient.connect(gateway.url)];
    for (const holder of holders) holder.send(whole());
    await upstream.request(1);

    const client = await RawClient.connect(gateway.url);
    const refused = await client.send(whole('x-request-id: mine-1\r\n')).answer();
    await expectRefusal(refused);
    expect(refused.body.error?.request_id).toBe('mine-1');
    expect(refused.headers).not.toMatch(/connection: close/i);
    const health = await request(`${gateway.url}/aegis/v1/health/live`);
    expect(health.statusCode).toBe(200);
    await health.body.dump();
    expect((await request(`${gateway.url}/aegis/v1/health/ready`)).statusCode).toBe(200);

    for (const holder of holders) holder.leave();
    let answer = await client.send(whole()).answer();
    // That a client left is known a moment later.
    while (answer.status === 503) answer = await client.send(whole()).answer();
    expect(answer.status).toBe(200);
    client.leave();
  });

  it('is counted like every other request, and by its reason', async () => {
    gateway = await startTestGateway(config({ max_in_flight: 1 }));
    upstream.script({ refuse: 'hang' });
    const holder = (await RawClient.connect(gateway.url)).send(whole());
    await upstream.request();
    const before = await scrape(gateway.metricsUrl);
    const client = await RawClient.connect(gateway.url);
    for (let sent = 0; sent < 3; sent++) await expectRefusal(await client.send(whole()).answer());

    const after = await scrape(gateway.metricsUrl);
    const more = (sample: string): number => (after.get(sample) ?? 0) - (before.get(sample) ?? 0);
    expect(more('aegis_requests_shed_total{reason="in_flight"}')).toBe(3);
    expect(after.get('aegis_requests_shed_total{reason="delay"}')).toBe(0);
    expect(more('aegis_requests_total{model="none",provider="none",status="503",code="overloaded"}')).toBe(3);
    expect(more('aegis_errors_total{model="none",provider="none",cause="gateway",code="overloaded"}')).toBe(3);
    expect(after.get('aegis_requests_in_flight_limit')).toBe(1);
    let recorded = 0;
    // By the second, and then on its way to the database.
    while (recorded < 3) recorded = await countRecorded();
    expect(recorded).toBe(3);
    holder.leave();
    client.leave();
  });

  it('is refused before its body is sent where the client asks first', async () => {
    gateway = await startTestGateway(config({ max_in_flight: 1 }));
    upstream.script({ refuse: 'hang' }, completionAnswer('yes'));
    const asks = `content-length: ${QUESTION.length}\r\nexpect: 100-continue\r\n`;
    const holder = (await RawClient.connect(gateway.url)).send(whole());
    await upstream.request();
    const client = (await RawClient.connect(gateway.url)).send(head(asks));
    await expectRefusal(await client.answer());
    holder.leave();

    // Where there is room, it is told to go on.
    for (let status = 503; status === 503; ) {
      const other = (await RawClient.connect(gateway.url)).send(head(asks));
      ({ status } = await other.answer().catch(() => ({ status: 100 })));
      if (status === 100) {
        expect((await other.send(QUESTION).answer()).status).toBe(200);
      }
      other.leave();
    }
  });

  it('reads a large body to its end before it closes, so that the answer arrives', async () => {
    gateway = await startTestGateway(config({ max_in_flight: 1 }));
    upstream.script({ refuse: 'hang' });
    const holder = (await RawClient.connect(gateway.url)).send(whole());
    await upstream.request();
    const client = await RawClient.connect(gateway.url);
    client.send(head(`content-length: ${8 * MEBIBYTE}\r\n`)).send('a'.repeat(8 * MEBIBYTE));
    const answer = await client.answer();
    await expectRefusal(answer);
    expect(answer.headers).toMatch(/connection: close/i);
    await client.closed;
    holder.leave();
  });

  it('is what finds no room for its body, while those half read go on to their ends', async () => {
    gateway = await startTestGateway(config({ max_bodies: '2MiB' }, '1MiB'));
    upstream.script(completionAnswer('whole'));
    const padded = QUESTION.padEnd(MEBIBYTE, ' ');
    const half = padded.length / 2;
    const announced = head(`content-length: ${padded.length}\r\n`);
    const readers = [await RawClient.connect(gateway.url), await RawClient.connect(gateway.url)];
    for (const reader of readers) reader.send(announced + padded.slice(0, half));

    const shedBefore = await count('aegis_requests_shed_total{reason="bodies"}');
    let refused: Answer;
    const client = await RawClient.connect(gateway.url);
    // Until both have been read so far.
    do refused = await client.send(whole()).answer();
    while (refused.status === 200);
    await expectRefusal(refused);
    expect(await count('aegis_requests_shed_total{reason="bodies"}')).toBe(shedBefore + 1);
    client.leave();

    for (const reader of readers) reader.send(padded.slice(half));
    for (const reader of readers) expect((await reader.answer()).status).toBe(200);
    const after = await RawClient.connect(gateway.url);
    expect((await after.send(whole()).answer()).status).toBe(200);
    for (const each of [...readers, after]) each.leave();
  });

  it('follows a change of the configuration', async () => {
    gateway = await startTestGateway(config({ max_in_flight: 1 }));
    upstream.script({ refuse: 'hang' }, completionAnswer('yes'));
    const holder = (await RawClient.connect(gateway.url)).send(whole());
    await upstream.request();
    const client = await RawClient.connect(gateway.url);
    await expectRefusal(await client.send(whole()).answer());
    await gateway.reload(config({ max_in_flight: 2 }));
    expect((await client.send(whole()).answer()).status).toBe(200);
    holder.leave();
    client.leave();
  });
});
