import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { ProviderConnection } from '../../../src/domain/target.js';
import { CertificateAuthority, makeSelfSignedCertificate } from '../../support/certificates.js';
import { makeContext, makeRequest, makeRoute, makeSnapshot } from '../../support/routing-fixtures.js';
import { completionAnswer, type ListenOptions, type ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { completionOf, errorOf, RouterHarness } from './router-harness.js';

const authority = new CertificateAuthority();
const trust = { caCertificates: authority.cert };

let harness: RouterHarness;

beforeEach(() => {
  harness = new RouterHarness();
});
afterEach(() => harness.close());

async function startUpstream(options: ListenOptions): Promise<ScriptableUpstream> {
  return (await harness.startUpstream(options)).script(completionAnswer('hello'));
}

describe('a certificate from an authority of the operator', () => {
  it('is accepted where the provider names that authority, alone or among others', async () => {
    const upstream = await startUpstream({ tls: authority.issue() });
    const others = new CertificateAuthority().cert;
    for (const caCertificates of [authority.cert, others + authority.cert]) {
      const call = harness.call([harness.targetOf(upstream, {}, { caCertificates })]);
      expect((await completionOf(call)).served.attempts).toBe(1);
    }
  });

  it('is accepted for that provider alone, whatever connections are open', async () => {
    const upstream = await startUpstream({ tls: authority.issue() });
    await completionOf(harness.call([harness.targetOf(upstream, {}, trust)]));
    const error = await errorOf(harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } }));
    expect(error).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(upstream.requests).toHaveLength(1);
  });

  it('is no longer accepted once a reload has taken the authority away, and its connection is closed', async () => {
    const upstream = await startUpstream({ tls: authority.issue() });
    await completionOf(harness.call([harness.targetOf(upstream, {}, trust)]));
    const first = await upstream.request();
    const snapshot = makeSnapshot([makeRoute([harness.targetOf(upstream)])], { maxAttempts: 1 }, { loadedAtMs: 1 });
    const outcome = new Promise((resolve) =>
      harness.router.route(makeRequest(), makeContext(snapshot)).subscribe({ next: resolve, error: resolve }),
    );
    expect(await outcome).toMatchObject({ code: 'upstream_error' });
    await first.closed;
  });
});

describe('a provider that cannot prove who it is', () => {
  const CASES: [string, () => ListenOptions, Partial<ProviderConnection>][] = [
    ['has a certificate that ended', () => ({ tls: authority.issue({ endsInMs: -60_000 }) }), trust],
    ['has a certificate for another name', () => ({ tls: authority.issue({ names: ['elsewhere.test'] }) }), trust],
    ['has a certificate from somebody else', () => ({ tls: new CertificateAuthority().issue() }), trust],
    ['vouches for itself', () => ({ tls: makeSelfSignedCertificate() }), trust],
    ['vouches for itself, and nobody else is trusted', () => ({ tls: makeSelfSignedCertificate() }), {}],
    [
      'speaks no TLS later than 1.1',
      () => ({ tls: { ...authority.issue(), maxVersion: 'TLSv1.1', minVersion: 'TLSv1' } }),
      trust,
    ],
  ];

  it.each(CASES)('because it %s is sent nothing, and another target answers', async (_name, options, connection) => {
    const upstream = await startUpstream(options());
    const other = await startUpstream({});
    const targets = [harness.targetOf(upstream, {}, connection), harness.targetOf(other)];
    expect((await completionOf(harness.call(targets))).served.provider).toBe('p1');
    expect(harness.fallbacks).toEqual(['connect']);
    expect(upstream.requests).toHaveLength(0);
  });

  it('is sent nothing even where the environment turns verification off', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const upstream = await startUpstream({ tls: makeSelfSignedCertificate() });
      const error = await errorOf(harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } }));
      expect(error).toMatchObject({ code: 'upstream_error', status: 502 });
      expect(upstream.requests).toHaveLength(0);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });
});

describe('a handshake that never ends', () => {
  it('is given up at the connect limit, and its connection closed', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const connected = once(silent, 'connection') as Promise<[Socket]>;
    const { port } = silent.address() as AddressInfo;
    const upstream = await startUpstream({});
    const target = harness.targetOf(upstream, { connectMs: 150 }, trust);
    const hanging = { ...target, provider: { ...target.provider, baseUrl: `https://localhost:${port}/v1` } };
    const call = harness.call([hanging], { routing: { maxAttempts: 1 } });
    const [socket] = await connected;
    const closed = once(
      socket.resume().on('error', () => undefined),
      'close',
    );
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_timeout', status: 504 });
    await closed;
    silent.close();
  });
});

describe('a provider that asks who AEGIS is', () => {
  const asking = (): ListenOptions => ({
    tls: { ...authority.issue(), ca: authority.cert, requestCert: true, rejectUnauthorized: true },
  });

  it('is shown the certificate configured for it', async () => {
    const upstream = await startUpstream(asking());
    const { cert, key } = authority.issue({ names: ['gateway.test'] });
    const connection = { ...trust, clientCertificate: cert, clientKey: key };
    expect((await completionOf(harness.call([harness.targetOf(upstream, {}, connection)]))).served.attempts).toBe(1);
  });

  it('sends AEGIS away where none is configured', async () => {
    const upstream = await startUpstream(asking());
    await errorOf(harness.call([harness.targetOf(upstream, {}, trust)], { routing: { maxAttempts: 1 } }));
    expect(upstream.requests).toHaveLength(0);
  });
});
