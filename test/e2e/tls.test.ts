import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { waitUntil } from '../integration/auth/replica.js';
import { makeSelfSignedCertificate } from '../support/certificates.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { scrape } from '../support/scrape.js';
import { gatedStreamAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';
import { handshake, serialOf, TlsFolder } from '../support/tls-files.js';

const NOT_AFTER = 'aegis_tls_certificate_not_after_timestamp_seconds';
const REJECTED = 'aegis_tls_certificate_rejected';

let upstream: ScriptableUpstream;
let files: TlsFolder;
let gateway: TestGateway | null = null;
let agents: Agent[] = [];
let sockets: Socket[] = [];

beforeAll(async () => {
  upstream = await ScriptableUpstream.start();
});
afterAll(() => upstream.close());
beforeEach(() => {
  files = new TlsFolder();
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const agent of agents) await agent.destroy();
  [agents, sockets] = [[], []];
  await gateway?.close();
  gateway = null;
  files.remove();
});

async function start(tls: Record<string, string> = {}): Promise<TestGateway> {
  const { certFile: cert_file, keyFile: key_file } = files;
  const server = { host: '127.0.0.1', port: 0, graceful_shutdown: '2s', tls: { cert_file, key_file, ...tls } };
  gateway = await startTestGateway({
    gateway: { server },
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });
  return gateway;
}

function agent(options: object = {}): Agent {
  const made = new Agent({ connect: { ca: files.authority.cert, ...options } });
  agents.push(made);
  return made;
}

const clientOf = (authority = files.clients) => authority.issue({ names: ['client'] });

async function ask(path: string, dispatcher: Agent, key?: string): Promise<{ status: number; body: string }> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const answer = await request(`${gateway?.url}${path}`, { dispatcher, headers });
  return { status: answer.statusCode, body: await answer.body.text() };
}

async function open(bytes: string | Buffer = ''): Promise<{ socket: Socket; received: () => string }> {
  const { hostname, port } = new URL(gateway?.url ?? '');
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (bytes.length > 0) socket.write(bytes);
  return { socket, received: () => text };
}

const metric = async (name: string): Promise<number | undefined> => (await scrape(gateway?.metricsUrl ?? '')).get(name);
/** The registry is the process's, and lasts longer than one of its gateways. */
const failures = async (reason: string): Promise<number> =>
  (await metric(`aegis_tls_handshake_failures_total{reason="${reason}"}`)) ?? 0;

describe('a listener with a certificate', () => {
  it('serves HTTP/1.1 over TLS, and says until when its certificate lasts', async () => {
    const { url, key } = await start();
    expect(url).toMatch(/^https:/);
    expect((await ask('/v1/models', agent(), key)).status).toBe(200);
    expect((await ask('/v1/models', agent())).status).toBe(401);
    const socket = await handshake(url, { ca: files.authority.cert, ALPNProtocols: ['h2', 'http/1.1'] });
    expect(socket.alpnProtocol).toBe('http/1.1');
    const { valid_to } = socket.getPeerCertificate();
    socket.destroy();
    expect(await metric(NOT_AFTER)).toBe(Date.parse(valid_to) / 1000);
    expect(await metric(REJECTED)).toBe(0);
  });

  it('speaks nothing but HTTP/1.1, and no TLS that is older than it may be', async () => {
    const { url } = await start({ min_version: 'TLSv1.3' });
    const { cert: ca } = files.authority;
    await expect(handshake(url, { ca, ALPNProtocols: ['h2'] })).rejects.toThrow();
    await expect(handshake(url, { ca, maxVersion: 'TLSv1.2' })).rejects.toThrow();
    (await handshake(url, { ca, minVersion: 'TLSv1.3' })).destroy();
  });

  it('closes on plain HTTP without a word of it', async () => {
    const { key } = await start();
    const before = await failures('protocol');
    const { socket, received } = await open(
      `GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`,
    );
    await once(socket, 'close');
    expect(received()).not.toContain('HTTP/1.1');
    expect(await failures('protocol')).toBe(before + 1);
  });

  it('takes up a new pair, swapped or written in place, while streams and connections go on', async () => {
    const { url, key } = await start();
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    upstream.script(gatedStreamAnswer(gate));
    const kept = agent({});
    const stream = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: kept,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'alias', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    });
    const idle = await handshake(url, { ca: files.authority.cert });
    sockets.push(idle);
    const seen = new Set([await serialOf(url, files.authority.cert)]);
    for (const way of ['swap', 'write'] as const) {
      const next = files.authority.issue({ endsInMs: way === 'swap' ? 3_600_000 : 7_200_000 });
      files[way](next);
      const { serialNumber, validTo } = new X509Certificate(next.cert);
      await waitUntil(async () => (await serialOf(url, files.authority.cert)) === serialNumber);
      seen.add(serialNumber);
      expect(await metric(NOT_AFTER)).toBe(Date.parse(validTo) / 1000);
    }
    expect(seen.size).toBe(3);
    expect(idle.destroyed).toBe(false);
    idle.write(`GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`);
    expect(String((await once(idle, 'data'))[0])).toContain('200 OK');
    finish();
    expect(await stream.body.text()).toContain('[DONE]');
  });

  it.each([
    ['half a certificate', () => ({ cert: files.authority.issue().cert.slice(0, 200) })],
    ['a key that is not its own', () => ({ key: files.authority.issue().key })],
    ['a certificate that has expired', () => files.authority.issue({ endsInMs: -3_600_000 })],
    ['no key at all', () => ({ key: '' })],
  ])(
    'goes on with the last good pair where the files hold %s, says so, and takes up what is right again',
    async (_, wrong) => {
      const { url } = await start();
      const serial = await serialOf(url, files.authority.cert);
      files.write(wrong());
      await waitUntil(async () => (await metric(REJECTED)) === 1);
      expect(await serialOf(url, files.authority.cert)).toBe(serial);
      const right = files.authority.issue();
      files.swap(right);
      await waitUntil(async () => (await metric(REJECTED)) === 0);
      expect(await serialOf(url, files.authority.cert)).toBe(new X509Certificate(right.cert).serialNumber);
    },
  );
});

describe('a listener where every client needs a certificate', () => {
  it('refuses who shows none, or a stranger’s, before a byte of HTTP; and wants a key all the same', async () => {
    const { key } = await start({ client_ca_file: files.clientCaFile, client_auth: 'require' });
    const before = await failures('client_certificate');
    for (const wrong of [{}, clientOf(files.authority), makeSelfSignedCertificate()]) {
      await expect(ask('/aegis/v1/health/live', agent(wrong), key)).rejects.toThrow();
    }
    const known = agent(clientOf());
    expect((await ask('/v1/models', known, key)).status).toBe(200);
    expect((await ask('/v1/models', known)).status).toBe(401);
    expect(await failures('client_certificate')).toBe(before + 3);
  });

  it('goes by the authorities of the file as it is now', async () => {
    const { key } = await start({ client_ca_file: files.clientCaFile, client_auth: 'require' });
    const later = new TlsFolder();
    const newcomer = clientOf(later.clients);
    await expect(ask('/v1/models', agent(newcomer), key)).rejects.toThrow();
    writeFileSync(files.clientCaFile, later.clients.cert);
    await waitUntil(async () =>
      ask('/v1/models', agent(newcomer), key).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    await expect(ask('/v1/models', agent(clientOf()), key)).rejects.toThrow();
    later.remove();
  });
});

describe('a session of TLS', () => {
  it.each([
    ['require', 'TLSv1.2'],
    ['require', 'TLSv1.3'],
    ['request', 'TLSv1.2'],
    ['request', 'TLSv1.3'],
  ] as const)(
    'is not resumed where client_auth is %s: with %s each connection shows its certificate',
    async (mode, version) => {
      const { url } = await start({ client_ca_file: files.clientCaFile, client_auth: mode });
      const options = { ca: files.authority.cert, ...clientOf(), minVersion: version, maxVersion: version } as const;
      const first = await handshake(url, options);
      sockets.push(first);
      let session = first.getSession();
      first.on('session', (ticket) => {
        session = ticket;
      });
      first.write('GET /aegis/v1/health/live HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(first, 'data');
      const second = await handshake(url, { ...options, ...(session && { session }) });
      sockets.push(second);
      expect(second.isSessionReused()).toBe(false);
    },
  );
});

describe('a listener where all but probes need a client certificate', () => {
  it('answers 403 to who shows none or a stranger’s, key or not, and its health to anybody', async () => {
    const { key } = await start({ client_ca_file: files.clientCaFile, client_auth: 'request' });
    for (const wrong of [{}, clientOf(files.authority)]) {
      const stranger = agent(wrong);
      expect((await ask('/aegis/v1/health/ready', stranger)).status).toBe(200);
      for (const refused of [await ask('/v1/models', stranger, key), await ask('/v1/models', stranger)]) {
        expect(refused.status).toBe(403);
        expect(JSON.parse(refused.body)).toMatchObject({ error: { code: 'client_certificate_required' } });
      }
    }
    const known = agent(clientOf());
    expect((await ask('/v1/models', known, key)).status).toBe(200);
    expect((await ask('/v1/models', known)).status).toBe(401);
  });
});

describe('what comes in the place of a handshake', () => {
  it('is cut, whatever it is, and serves nobody worse', async () => {
    const { key } = await start();
    const client = await open(Buffer.from('16030100', 'hex'));
    const rubbish = Array.from({ length: 200 }, (_, index) => Buffer.alloc(1 + index * 7, (index * 37) % 256));
    const hello = Buffer.from('160301ffff01', 'hex');
    const opened = await Promise.all([...rubbish, hello].map((bytes) => open(bytes)));
    for (const { socket } of opened.slice(0, 50)) socket.destroy();
    for (const { socket } of opened.slice(50, 100)) socket.resetAndDestroy();
    expect((await ask('/v1/models', agent(), key)).status).toBe(200);
    // Those that say nothing more are cut when their time is over.
    await waitUntil(() => [client, ...opened].every(({ socket }) => socket.closed), 30_000);
    expect(await failures('timeout')).toBeGreaterThan(0);
    expect((await ask('/v1/models', agent(), key)).status).toBe(200);
  });

  it('does not keep a gateway from ending', async () => {
    const { gateway: running } = await start();
    const { socket } = await open();
    const startedAtMs = performance.now();
    await running.shutDown();
    expect(performance.now() - startedAtMs).toBeLessThan(8_000);
    await waitUntil(() => socket.closed);
  });
});

describe('streams over TLS', () => {
  it('come whole', async () => {
    const { url, key } = await start();
    upstream.script(streamAnswer(['a', 'b', 'c']));
    const answer = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: agent(),
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'alias', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    });
    expect(await answer.body.text()).toContain('[DONE]');
  });
});
