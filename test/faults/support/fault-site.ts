import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { request } from 'undici';
import { startTestGateway, type TestConfig, type TestGateway } from '../../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { TcpFaultProxy } from '../../support/tcp-fault-proxy.js';

/** The alias that clients ask for. */
export const MODEL = 'alias';

/** One target of the alias: where its provider is, and what differs from a plain OpenAI provider. */
export interface FaultTarget {
  readonly url: string;
  readonly provider?: Readonly<Record<string, unknown>>;
  readonly target?: Readonly<Record<string, unknown>>;
}

/** Everything a client got. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** False where the body broke off. */
  readonly clean: boolean;
  readonly elapsedMs: number;
  json(): { readonly error?: { readonly code: string; readonly type: string; readonly message: string } };
  /** What stands in the `data:` lines of a stream, `[DONE]` included. */
  readonly events: readonly string[];
  /** The text of all deltas, joined, or that of the one message. */
  readonly content: string;
}

interface AnyAnswer {
  readonly choices?: readonly {
    readonly delta?: { readonly role?: string; readonly content?: string | null };
    readonly message?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly error?: { readonly code: string; readonly type: string; readonly message: string };
}

/** The targets of one test, and the gateway in front of them. */
export class FaultGateway {
  private constructor(
    readonly gateway: TestGateway,
    private readonly scene: string,
    private readonly countedBefore: string,
  ) {}

  /** Nothing that was learnt of other tests' targets holds for these: they have names of their own. */
  static async configure(
    gateway: TestGateway,
    scene: string,
    targets: readonly FaultTarget[],
    routing: object,
  ): Promise<FaultGateway> {
    const before = await (await request(gateway.metricsUrl)).body.text();
    const made = new FaultGateway(gateway, scene, before);
    await made.reload(targets, routing);
    return made;
  }

  /** The built gateway in a process of its own, with this one's targets, keys and database. */
  async spawn(
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly alone: FaultGateway; readonly child: GatewayProcess }> {
    const child = spawnGateway({ AEGIS_CONFIG_DIR: this.gateway.configDirectory, ...environment });
    const { url, metricsUrl } = await child.logged('gateway is listening');
    const gateway = { ...this.gateway, url: String(url), metricsUrl: String(metricsUrl) };
    return { alone: new FaultGateway(gateway, this.scene, ''), child };
  }

  /** The name of the provider of the target with this index. */
  provider(index: number): string {
    return `${this.scene}-${index}`;
  }

  /** One request by a client that reads all of the answer. */
  async ask(body: object = {}, key = this.gateway.key): Promise<Reply> {
    const startedAtMs = performance.now();
    const answer = await request(`${this.gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: requestText(body),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const pieces: Buffer[] = [];
    let clean = true;
    try {
      for await (const piece of answer.body) pieces.push(piece as Buffer);
    } catch {
      clean = false;
    }
    const text = Buffer.concat(pieces).toString('utf8');
    return makeReply(answer.statusCode, answer.headers, text, clean, performance.now() - startedAtMs);
  }

  stream(body: object = {}): Promise<Reply> {
    return this.ask({ stream: true, ...body });
  }

  /** A client of which only the connection matters; its request is on the way. */
  open(body: object = {}, key = this.gateway.key): Socket {
    const { hostname, port, host } = new URL(this.gateway.url);
    const text = requestText(body);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    return socket;
  }

  /** The sum of a metric's samples that carry all these labels; of a counter what came since the test began. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await request(this.gateway.metricsUrl)).body.text();
    const sum = sumOf(text, name, labels);
    return name.endsWith('_total') ? sum - sumOf(this.countedBefore, name, labels) : sum;
  }

  /** Until no request is under way any more: counters are complete then. */
  async idle(): Promise<void> {
    await eventually(async () => (await this.metric('aegis_requests_in_flight')) === 0);
  }

  /** What the health summary says of circuit breakers. */
  async circuits(): Promise<unknown> {
    const answer = await request(`${this.gateway.url}/aegis/v1/health`);
    return ((await answer.body.json()) as { details: { circuits: unknown } }).details.circuits;
  }

  async reload(targets: readonly FaultTarget[], routing: object = {}): Promise<void> {
    expect(await this.gateway.reload(makeConfig(this.scene, targets, routing))).toBe('applied');
  }
}

/** One gateway for a test file; upstreams and proxies for each of its tests, closed after it. */
export class FaultSite {
  private readonly closing: (() => Promise<void>)[] = [];
  private shared: TestGateway | null = null;
  private scenes = 0;

  constructor() {
    beforeAll(async () => {
      this.shared = await startTestGateway();
    });
    afterEach(async () => {
      for (const close of this.closing.splice(0).reverse()) await close();
    });
    afterAll(() => this.shared?.close());
  }

  async upstream(): Promise<ScriptableUpstream> {
    const upstream = await ScriptableUpstream.start();
    this.closing.push(() => upstream.close());
    return upstream;
  }

  async upstreams(): Promise<[ScriptableUpstream, ScriptableUpstream]> {
    return [await this.upstream(), await this.upstream()];
  }

  async proxy(upstream: ScriptableUpstream): Promise<TcpFaultProxy> {
    const proxy = await TcpFaultProxy.start(upstream.port);
    this.closing.push(() => proxy.close());
    return proxy;
  }

  /** The first target is the primary, the others are its fallbacks. */
  async gateway(targets: readonly FaultTarget[], routing: object = {}): Promise<FaultGateway> {
    if (!this.shared) throw new Error('The gateway of this file is not running.');
    return FaultGateway.configure(this.shared, `scene${this.scenes++}`, targets, routing);
  }

  onClose(close: () => Promise<void>): void {
    this.closing.push(close);
  }
}

/** Providers `SCENE-0`, `SCENE-1` … with models m0, m1 …, all behind one alias. */
export function makeConfig(scene: string, targets: readonly FaultTarget[], routing: object = {}): TestConfig {
  const entries = targets.map(({ url, provider, target }, index) => ({
    name: `${scene}-${index}`,
    provider: { type: 'openai', base_url: `${url}/v1`, api_key: `credential-${index}`, ...provider },
    target: { provider: `${scene}-${index}`, model: `m${index}`, classification_ceiling: 'INTERNAL', ...target },
  }));
  const [primary, ...fallback] = entries.map(({ target }) => target);
  return {
    gateway: {
      // Read at the start only: of use to a process of its own.
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
      routing,
    },
    providers: Object.fromEntries(entries.map(({ name, provider }) => [name, provider])),
    models: { [MODEL]: { primary, fallback } },
    freeModels: entries.map(({ target: { provider, model } }) => `${provider}/${model}`),
  };
}

export function target(
  upstream: { readonly url: string },
  provider: Readonly<Record<string, unknown>> = {},
  changes: Readonly<Record<string, unknown>> = {},
): FaultTarget {
  return { url: upstream.url, provider, target: changes };
}

function sumOf(exposition: string, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const [, sample = '', value] of exposition.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, 'gm'))) {
    if (Object.entries(labels).every(([label, text]) => sample.includes(`${label}="${text}"`))) sum += Number(value);
  }
  return sum;
}

function requestText(body: object): string {
  return JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }], ...body });
}

export async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await pause(5);
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Everything that came over a raw connection, once it is closed. */
export async function readToClose(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await once(socket, 'close');
  return Buffer.concat(pieces).toString('utf8');
}

function makeReply(status: number, headers: Reply['headers'], text: string, clean: boolean, elapsedMs: number): Reply {
  const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => data);
  const isStream = String(headers['content-type']).includes('event-stream');
  const answers = (isStream ? events.filter((data) => data !== '[DONE]') : [text]).flatMap(parse);
  const words = answers.map(({ choices }) => choices?.[0]?.delta?.content ?? choices?.[0]?.message?.content ?? '');
  return {
    status,
    headers,
    text,
    clean,
    elapsedMs,
    json: () => JSON.parse(text),
    events,
    content: words.join(''),
  };
}

function parse(text: string): AnyAnswer[] {
  try {
    return [JSON.parse(text) as AnyAnswer];
  } catch {
    return [];
  }
}

/** A stream that looks whole, and is. */
export function expectWhole(reply: Reply, content: string): void {
  expect(reply.status).toBe(200);
  expect(reply.clean).toBe(true);
  expect(reply.content).toBe(content);
  expect(reply.events.at(-1)).toBe('[DONE]');
  expect(countChunks(reply, ({ delta }) => delta?.role !== undefined)).toBe(1);
  expect(countChunks(reply, ({ finish_reason }) => Boolean(finish_reason))).toBe(1);
}

/** A stream that says of itself that it broke off: one error event, nothing after it, no clean end of the body. */
export function expectBroken(reply: Reply, code: string): void {
  expect(reply.status).toBe(200);
  expect(reply.clean).toBe(false);
  expect(reply.events).not.toContain('[DONE]');
  const errors = reply.events.flatMap(parse).filter(({ error }) => error !== undefined);
  expect(errors).toHaveLength(1);
  expect(errors[0]?.error?.code).toBe(code);
  expect(reply.events.at(-1)).toContain('"error"');
  expect(countChunks(reply, ({ finish_reason }) => Boolean(finish_reason))).toBe(0);
}

/** A plain error with a status, in the one envelope. */
export function expectError(reply: Reply, status: number, code: string): void {
  const { error } = reply.json();
  // The message is told where the rest is not as expected.
  expect({ status: reply.status, code: error?.code, message: error?.message }).toEqual({
    status,
    code,
    message: expect.any(String),
  });
  expect(reply.headers['content-type']).toContain('application/json');
  expect(reply.headers['x-request-id']).toBeTruthy();
}

export function countChunks(
  { events }: Reply,
  matches: (choice: NonNullable<AnyAnswer['choices']>[number]) => boolean,
): number {
  return events.flatMap(parse).filter(({ choices }) => choices?.some(matches)).length;
}
