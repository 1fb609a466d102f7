import { once } from 'node:events';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { type Certificate, CertificateAuthority, makeSelfSignedCertificate } from '../../support/certificates.js';
import {
  completionAnswer,
  type ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { expectBroken, expectError, expectWhole, FaultSite, type FaultTarget, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { words } from '../support/provider-answers.js';

const site = new FaultSite();

async function findClosedPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('a connection that cannot be had', () => {
  const FAULTS: [string, (upstream: ScriptableUpstream) => Promise<FaultTarget>][] = [
    ['nobody listens', async () => target({ url: `http://127.0.0.1:${await findClosedPort()}` })],
    [
      'it is reset when it is accepted',
      async (upstream) => target((await site.proxy(upstream)).poison({ refuse: true })),
    ],
    ['it is reset once the request is there', async (upstream) => target(upstream.script({ refuse: 'reset' }))],
    ['it is closed once the request is there', async (upstream) => target(upstream.script({ refuse: 'close' }))],
  ];

  it.each(FAULTS)('row 09: %s: the next target answers, and is counted once', async (_name, makeTarget) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([await makeTarget(first), target(second)]);
    second.script(completionAnswer('good'), streamAnswer(['good']));
    expect((await gateway.ask()).content).toBe('good');
    expectWhole(await gateway.stream(), 'good');
    await gateway.idle();
    expect(second.requests).toHaveLength(2);
    expect(await gateway.metric('aegis_tokens_total', { direction: 'output' })).toBe(2 * 3);
    expect(await gateway.metric('aegis_requests_total', { status: '200' })).toBe(2);
  });

  it.each(FAULTS)('row 09: %s, at the only target: 502 after some tries', async (_name, makeTarget) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([await makeTarget(upstream)], { max_attempts: 2 });
    const reply = await gateway.ask();
    expectError(reply, 502, 'upstream_error');
    expect(await gateway.metric('aegis_upstream_attempts_total')).toBe(2);
  });

  it('row 09: it is slow: nothing fails that only takes time', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target((await site.proxy(upstream)).poison({ latencyMs: 50 }))]);
    upstream.script(streamAnswer(words(20)));
    expectWhole(await gateway.stream(), words(20).join(''));
  });
});

describe('a kept connection that its upstream closes', () => {
  it('row 12: 0 to 5 ms after each of 5,000 answers: no client sees an error', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    const answers = Array.from({ length: 6 }, (_, index) => ({ ...completionAnswer('good'), closeIdleAfterMs: index }));
    let count = 0;
    upstream.answerWith(() => answers[count++ % answers.length] ?? {});
    const failed: string[] = [];
    for (let index = 0; index < 5_000; index++) {
      const reply = await gateway.ask();
      if (reply.content !== 'good') failed.push(`${reply.status} ${reply.text}`);
    }
    expect(failed).toEqual([]);
    expect(upstream.connections).toBeGreaterThan(500);
    note(`${upstream.connections} connections for 5,000 requests, 0 errors`);
  }, 60_000);

  it('row 12: as it is used again: sent once more on a new one, and no further', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], { max_attempts: 1 });
    upstream.script(completionAnswer('one'), { refuse: 'reset' }, completionAnswer('two'), { refuse: 'reset' });
    expect((await gateway.ask()).content).toBe('one');
    const reply = await gateway.ask();
    expect(reply.content).toBe('two');
    expect(reply.headers['x-aegis-attempts']).toBe('1');
    // A new connection that breaks is a fault and no race.
    expectError(await gateway.ask(), 502, 'upstream_error');
  });
});

describe('interim responses', () => {
  it.each([[[100]], [[103]], [[102, 103, 103]]])('row 25: %p before the answer change nothing', async (interim) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(
      { ...completionAnswer('good'), interim },
      { ...completionAnswer('again'), interim },
      { ...streamAnswer(['good']), interim },
    );
    expect((await gateway.ask()).content).toBe('good');
    // On the connection that was kept, too.
    expect((await gateway.ask()).content).toBe('again');
    expectWhole(await gateway.stream(), 'good');
  });
});

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('row 26: HTTP %i is not followed: prompt and credential stay', async (status) => {
    const [first, elsewhere] = await site.upstreams();
    const gateway = await site.gateway([target(first)], { max_attempts: 1 });
    first.script({ status, headers: { location: `${elsewhere.url}/v1/chat/completions` } });
    elsewhere.script(completionAnswer('never'));
    for (const stream of [true, false]) expectError(await gateway.ask({ stream }), 502, 'upstream_invalid_response');
    expect(elsewhere.requests).toHaveLength(0);
    expect(elsewhere.connections).toBe(0);
  });

  it('row 26: the next target answers', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script({ status: 307, headers: { location: second.url } });
    second.script(completionAnswer('good'));
    expect((await gateway.ask()).content).toBe('good');
    expect(second.requests.map(({ path }) => path)).toEqual(['/v1/chat/completions']);
  });
});

describe('TLS', () => {
  const authority = new CertificateAuthority();
  const CONNECT = { timeouts: { connect: '300ms' } };

  /** A provider over TLS that answers whatever it is asked. Returns its address and a count of requests. */
  async function listen(certificate: Certificate): Promise<{ readonly url: string; requests: number }> {
    const server = createSecureServer(certificate);
    const secure = { url: '', requests: 0 };
    server
      .on('tlsClientError', () => undefined)
      .on('request', (_request, response) => {
        secure.requests++;
        const { status = 200, headers, body } = completionAnswer('secure');
        response.writeHead(status, headers).end(body as string);
      });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    site.onClose(async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    });
    secure.url = `https://localhost:${(server.address() as AddressInfo).port}`;
    return secure;
  }

  it('row 28: a certificate that an authority of the configuration vouches for is accepted', async () => {
    const secure = await listen(authority.issue());
    const gateway = await site.gateway([target(secure, { ca_certificates: authority.cert })]);
    expect((await gateway.ask()).content).toBe('secure');
  });

  const CERTIFICATES: [string, () => Certificate, string][] = [
    ['that has expired', () => authority.issue({ endsInMs: -3_600_000 }), authority.cert],
    ['of another host', () => authority.issue({ names: ['other.test'] }), authority.cert],
    ['that vouches for itself', () => makeSelfSignedCertificate(), ''],
    ['of an authority nobody configured', () => authority.issue(), new CertificateAuthority().cert],
  ];
  it.each(CERTIFICATES)(
    'row 28: a certificate %s: nothing is sent, the next target answers',
    async (_name, make, ca) => {
      const secure = await listen(make());
      const second = await site.upstream();
      second.script(completionAnswer('good'));
      const gateway = await site.gateway([target(secure, { ca_certificates: ca }), target(second)]);
      expect((await gateway.ask()).content).toBe('good');
      const labels = { provider: gateway.provider(0), outcome: 'connect' };
      expect(await gateway.metric('aegis_upstream_attempts_total', labels)).toBe(1);

      const alone = await site.gateway([target(secure, { ca_certificates: ca })], { max_attempts: 1 });
      expectError(await alone.ask(), 502, 'upstream_error');
      expect(secure.requests).toBe(0);
    },
  );

  it('row 28: a handshake that is never answered: the connect limit holds, the next target answers', async () => {
    const [first, second] = await site.upstreams();
    const proxy = (await site.proxy(first)).poison({ swallow: true });
    second.script(completionAnswer('good'));
    const gateway = await site.gateway([target({ url: proxy.secureUrl }, CONNECT), target(second)]);
    expect((await gateway.ask()).content).toBe('good');
    // The greeting of TLS, and not one byte of the request.
    expect(proxy.swallowed[0]).toBe(0x16);
    expect(proxy.swallowed.toString('latin1')).not.toContain('POST');
    const alone = await site.gateway([target({ url: proxy.secureUrl }, CONNECT)], { max_attempts: 1 });
    const reply = await alone.ask();
    expectError(reply, 504, 'upstream_timeout');
    expect(reply.elapsedMs).toBeLessThan(300 + 1_000);
    note(`${reply.elapsedMs.toFixed(0)} ms with a connect limit of 300`);
  });

  it('row 28: a server that speaks no TLS gets no request', async () => {
    const [first, second] = await site.upstreams();
    second.script(completionAnswer('good'));
    const gateway = await site.gateway([target({ url: first.url.replace('http:', 'https:') }), target(second)]);
    expect((await gateway.ask()).content).toBe('good');
    expect(first.requests).toHaveLength(0);
  });
});

describe('a content-length that is wrong', () => {
  const raw = (type: string, length: number, body: string): ScriptedAnswer => ({
    raw: `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n${body}`,
  });
  const json = String(completionAnswer('good').body);
  const events = (streamAnswer(['good ']).body as readonly string[]).join('');

  it.each([
    ['more than comes', json.length + 100, 'upstream_error'],
    ['less than comes', json.length - 10, 'upstream_invalid_response'],
  ])('row 24: of a JSON answer: %s', async (_name, length, code) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], { max_attempts: 1 });
    upstream.script(raw('application/json', length, json));
    expectError(await gateway.ask(), 502, code);
  });

  it('row 24: of a stream: less than comes', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(raw('text/event-stream', events.indexOf('"finish_reason":"stop"'), events));
    expectBroken(await gateway.stream(), 'upstream_invalid_response');
  });

  it('row 24: of a stream: more than comes, and the stream is whole', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(raw('text/event-stream', events.length + 100, events));
    expectWhole(await gateway.stream(), 'good ');
  });
});
