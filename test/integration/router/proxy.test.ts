import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import { AegisError } from '../../../src/domain/errors.js';
import { CertificateAuthority } from '../../support/certificates.js';
import { ConnectProxy, type ProxyBehaviour } from '../../support/connect-proxy.js';
import {
  brokenStreamAnswer,
  completionAnswer,
  type ScriptableUpstream,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { completionOf, contentOf, errorOf, eventually, RouterHarness, readAll, streamOf } from './router-harness.js';

const authority = new CertificateAuthority();
const trust = { caCertificates: authority.cert };
const ONCE = { routing: { maxAttempts: 1 } };

let harness: RouterHarness;
let proxy: ConnectProxy;
let warnings: unknown[];

beforeEach(async () => {
  warnings = [];
  Logger.overrideLogger({ log: () => undefined, error: () => undefined, warn: (line) => warnings.push(line) });
  harness = new RouterHarness();
  proxy = await ConnectProxy.start();
});
afterEach(async () => {
  await harness.close();
  await proxy.close();
  Logger.overrideLogger(['error']);
});

async function startUpstream(secure: boolean): Promise<ScriptableUpstream> {
  const upstream = await harness.startUpstream(secure ? { tls: authority.issue() } : {});
  return upstream.script(completionAnswer('hello'));
}

describe.each([
  ['an https:// provider', true],
  ['an http:// provider', false],
])('%s behind a proxy', (_name, secure) => {
  it('is reached through a tunnel, which is kept for the next request', async () => {
    const upstream = await startUpstream(secure);
    const target = harness.targetOf(upstream, {}, { ...trust, proxy: proxy.url() });
    for (let index = 0; index < 3; index++) {
      const { completion, served } = await completionOf(harness.call([target]));
      expect(completion.choices[0]?.message.content).toBe('hello');
      expect(served.attempts).toBe(1);
      await eventually(() => upstream.open === 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const host = secure ? 'localhost' : '127.0.0.1';
    expect(proxy.asked).toEqual([{ authority: `${host}:${upstream.port}`, authorization: undefined }]);
    expect(upstream.connections).toBe(1);
  });

  it('streams', async () => {
    const upstream = (await startUpstream(secure)).script(streamAnswer(['one ', 'two']));
    const target = harness.targetOf(upstream, {}, { ...trust, proxy: proxy.url() });
    const { texts, error } = await readAll(await streamOf(harness.call([target], { stream: true })));
    expect(error).toBeNull();
    expect(contentOf(texts)).toBe('one two');
  });

  it('is asked for with the user name and password of the proxy, which the provider never sees', async () => {
    const upstream = await startUpstream(secure);
    const target = harness.targetOf(upstream, {}, { ...trust, proxy: proxy.url('gate:p%40ss%3Aword@') });
    await completionOf(harness.call([target]));
    const expected = `Basic ${Buffer.from('gate:p@ss:word').toString('base64')}`;
    expect(proxy.asked.map(({ authorization }) => authorization)).toEqual([expected]);
    expect((await upstream.request()).headers['proxy-authorization']).toBeUndefined();
  });

  it.each<[string, ProxyBehaviour, RegExp]>([
    ['wants other credentials', 407, /proxy at \S+ refused the connection with status 407/],
    ['cannot reach the provider', 502, /refused the connection with status 502/],
    ['redirects', 302, /refused the connection with status 302/],
    ['hangs up', 'reset', /proxy at \S+ gave no answer/],
    ['is none', 'garbage', /proxy at \S+ gave no answer/],
  ])('costs one attempt where the proxy %s, and only the log learns why', async (_fault, behaviour, cause) => {
    proxy.behaviour = behaviour;
    const upstream = await startUpstream(secure);
    const target = harness.targetOf(upstream, {}, { ...trust, proxy: proxy.url('gate:swordfish@') });
    const error = await errorOf(harness.call([target], ONCE));
    expect(error).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(error.message).not.toContain('proxy');
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'connect' }]);
    const reason = causeOf(error);
    expect(reason.message).toMatch(cause);
    expect(reason.message).not.toMatch(/gate|swordfish/);
    expect(warnings).toEqual([expect.stringMatching(cause)]);
    expect(String(warnings)).not.toMatch(/gate|swordfish/);
    expect(upstream.connections).toBe(0);
    await eventually(() => proxy.sockets.size === 0);
  });

  it('is given up at the connect limit where the proxy says nothing, and another target answers', async () => {
    proxy.behaviour = 'hang';
    const upstream = await startUpstream(secure);
    const other = await startUpstream(false);
    const target = harness.targetOf(upstream, { connectMs: 150 }, { ...trust, proxy: proxy.url() });
    const { served } = await completionOf(harness.call([target, harness.targetOf(other)]));
    expect(served.provider).toBe('p1');
    expect(harness.fallbacks).toEqual(['timeout']);
    await eventually(() => proxy.sockets.size === 0);
  });

  it('is let go at once when the client leaves while the proxy says nothing', async () => {
    proxy.behaviour = 'hang';
    const upstream = await startUpstream(secure);
    const target = harness.targetOf(upstream, { connectMs: 60_000 }, { ...trust, proxy: proxy.url() });
    const call = harness.call([target]);
    await eventually(() => proxy.asked.length === 1);
    call.context.leave();
    expect((await errorOf(call)).status).toBe(499);
    await eventually(() => proxy.sockets.size === 0);
  });

  it('is let go at once when the client leaves a stream', async () => {
    const upstream = (await startUpstream(secure)).script(brokenStreamAnswer(['hello'], 'stall'));
    const target = harness.targetOf(upstream, {}, { ...trust, proxy: proxy.url() });
    const call = harness.call([target], { stream: true });
    await streamOf(call);
    call.context.leave();
    await (await upstream.request()).closed;
  });
});

describe('a proxy', () => {
  it('may itself be reached over TLS', async () => {
    await proxy.close();
    proxy = await ConnectProxy.start(authority.issue());
    const upstream = await startUpstream(true);
    const target = harness.targetOf(upstream, {}, { ...trust, proxy: proxy.url('gate:swordfish@') });
    expect((await completionOf(harness.call([target]))).served.attempts).toBe(1);
    expect(proxy.asked).toHaveLength(1);
  });

  it('does not vouch for the provider behind it', async () => {
    const upstream = await startUpstream(true);
    const target = harness.targetOf(upstream, {}, { proxy: proxy.url() });
    expect(await errorOf(harness.call([target], ONCE))).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(proxy.asked).toHaveLength(1);
    expect(upstream.requests).toHaveLength(0);
  });

  it('where nobody listens is a failure to connect', async () => {
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    const upstream = await startUpstream(false);
    const target = harness.targetOf(upstream, {}, { proxy: `http://127.0.0.1:${port}` });
    const error = await errorOf(harness.call([target], ONCE));
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'connect' }]);
    expect(causeOf(error).message).toMatch(/^The proxy at 127\.0\.0\.1:\d+ could not be reached/);
  });

  it('that is not configured is not used, whatever the environment names', async () => {
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy.url();
    try {
      const upstream = await startUpstream(false);
      await completionOf(harness.call([harness.targetOf(upstream)]));
      expect(proxy.asked).toHaveLength(0);
      expect(proxy.sockets.size).toBe(0);
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  it('that opens the tunnel into a silent TLS server leaves the connect limit in force', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const connected = once(silent, 'connection') as Promise<[Socket]>;
    const { port } = silent.address() as AddressInfo;
    const upstream = await startUpstream(true);
    const target = harness.targetOf(upstream, { connectMs: 300 }, { ...trust, proxy: proxy.url() });
    const hanging = { ...target, provider: { ...target.provider, baseUrl: `https://localhost:${port}/v1` } };
    const call = harness.call([hanging], ONCE);
    const [socket] = await connected;
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_timeout', status: 504 });
    if (!socket.destroyed) await once(socket.resume(), 'close');
    silent.close();
  });
});

/** What the log shows as the reason: the innermost error of AEGIS's own making has no cause that matters to it. */
function causeOf(error: AegisError): Error {
  let reason: unknown = error;
  while (reason instanceof AegisError) reason = reason.cause;
  if (reason instanceof Error) return reason;
  throw new Error('The error has no cause.');
}
