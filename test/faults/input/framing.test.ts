import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { completionAnswer, type ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { eventually, type FaultGateway, FaultSite, MODEL, pause, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { codeOf, exchange, requestText } from '../support/wire.js';

const PATH = '/v1/chat/completions';
const CHAT = `POST ${PATH} HTTP/1.1`;
const BODY = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }] });
const LENGTH = `content-length: ${BODY.length}`;
const site = new FaultSite();

interface Scene {
  readonly upstream: ScriptableUpstream;
  readonly gateway: FaultGateway;
}

async function setUp(provider: Readonly<Record<string, unknown>> = {}): Promise<Scene> {
  const upstream = (await site.upstream()).script(completionAnswer('fine'));
  return { upstream, gateway: await site.gateway([target(upstream, provider)]) };
}

function key({ gateway }: FaultGateway): string {
  return `authorization: Bearer ${gateway.key}`;
}

const JSON_TYPE = 'content-type: application/json';

describe('two readings of where a request ends', () => {
  /** A request inside another; whoever answers it has been smuggled past. */
  const INNER = requestText(`GET /v1/models HTTP/1.1`, ['host: inner', 'x-request-id: smuggled']);
  const chunked = 'transfer-encoding: chunked';
  const WIRE: readonly [string, (auth: string) => string][] = [
    [
      'a length and chunks',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'content-length: 6', chunked], `0\r\n\r\n${INNER}`),
    ],
    [
      'chunks and a length',
      (auth) =>
        requestText(CHAT, ['host: x', auth, JSON_TYPE, chunked, 'content-length: 4'], `5c\r\n${INNER}\r\n0\r\n\r\n`),
    ],
    [
      'a coding nobody knows',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'transfer-encoding: xchunked'], `0\r\n\r\n${INNER}`),
    ],
    [
      'chunks that are not the last coding',
      (auth) =>
        requestText(CHAT, ['host: x', auth, JSON_TYPE, 'transfer-encoding: chunked, identity'], `0\r\n\r\n${INNER}`),
    ],
    [
      'two codings in two headers',
      (auth) =>
        requestText(CHAT, ['host: x', auth, JSON_TYPE, chunked, 'transfer-encoding: identity'], `0\r\n\r\n${INNER}`),
    ],
    [
      'an empty coding beside a length',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'transfer-encoding:', LENGTH], BODY + INNER),
    ],
    [
      'two lengths',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, LENGTH, 'content-length: 0'], BODY + INNER),
    ],
    [
      'one length with two values',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, `content-length: ${BODY.length}, 0`], BODY + INNER),
    ],
    [
      'a signed length',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, `content-length: +${BODY.length}`], BODY + INNER),
    ],
    [
      'a length in hexadecimal',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'content-length: 0x10'], BODY + INNER),
    ],
    [
      'a length past every number',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'content-length: 99999999999999999999'], BODY),
    ],
    [
      'a blank before the colon',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'transfer-encoding : chunked'], `0\r\n\r\n${INNER}`),
    ],
    [
      'a folded header',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, 'transfer-encoding:\r\n chunked'], `0\r\n\r\n${INNER}`),
    ],
    ['lines that end in LF alone', (auth) => `${CHAT}\nhost: x\n${auth}\n${JSON_TYPE}\n${LENGTH}\n\n${BODY}`],
    [
      'a chunk whose size is none',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, chunked], `zz\r\n${BODY}\r\n0\r\n\r\n`),
    ],
    [
      'a chunk that is longer than it says',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, chunked], `2\r\n${BODY}\r\n0\r\n\r\n`),
    ],
    [
      'a chunk size past every number',
      (auth) => requestText(CHAT, ['host: x', auth, JSON_TYPE, chunked], `fffffffffffffffff\r\n${BODY}`),
    ],
    ['no version at all', () => 'GET /v1/models\r\n\r\n'],
    [
      'a version that is spoken otherwise',
      (auth) => requestText('GET /v1/models HTTP/2.0', ['host: x', auth, 'connection: close']),
    ],
    ['a version from the future', (auth) => requestText('GET /v1/models HTTP/3.7', ['host: x', auth])],
    ['a method of another protocol', (auth) => requestText('FOO /v1/models HTTP/1.1', ['host: x', auth])],
    ['bytes of TLS', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ];

  it.each(WIRE)('row 71: %s: refused, the connection closes, nothing is smuggled', async (_name, build) => {
    const { gateway, upstream } = await setUp();
    const { answers, text, closed } = await exchange(gateway.gateway.url, build(key(gateway)));
    expect({ closed, statuses: answers.map(({ status }) => status) }).toEqual({ closed: true, statuses: [400] });
    expect(text).not.toContain('smuggled');
    expect(upstream.requests).toHaveLength(0);
    expect((await gateway.ask()).status).toBe(200);
  });

  it.each([
    ['what is no HTTP', ['keep-alive'], 'JUNK\r\n\r\n', [200, 200, 400]],
    ['the rest of a body that is longer than its length says', ['keep-alive'], '}', [200, 200, 400]],
    ['a request for a tunnel', ['keep-alive'], requestText('CONNECT x:443 HTTP/1.1', ['host: x']), [200, 200, 405]],
    ['more than one that was to be the last', ['close'], INNER, [200, 200]],
  ])('row 71: requests before %s get their answers, then it its own', async (_name, [connection], rest, statuses) => {
    const { gateway, upstream } = await setUp();
    upstream.script({ ...completionAnswer('fine'), delayMs: 50 }, completionAnswer('fine'));
    const head = ['host: x', key(gateway), JSON_TYPE, LENGTH];
    const { answers, text, closed } = await exchange(
      gateway.gateway.url,
      requestText(CHAT, head, BODY) + requestText(CHAT, [...head, `connection: ${connection}`], BODY) + rest,
    );
    expect({ closed, statuses: answers.map(({ status }) => status) }).toEqual({ closed: true, statuses });
    expect(text).not.toContain('smuggled');
    for (const answer of answers.slice(2)) codeOf(answer);
  });

  it('row 71: who sends what is no HTTP while its answer is due, and leaves, is not answered nor waited for', async () => {
    const { gateway, upstream } = await setUp();
    upstream.script({ refuse: 'hang' }, completionAnswer('fine'));
    const socket = gateway.open();
    await upstream.request();
    socket.write('JUNK\r\n\r\nJUNK\r\n\r\n');
    await pause(50);
    socket.resetAndDestroy();
    await gateway.idle();
    expect((await gateway.ask()).status).toBe(200);
  });

  it('row 71: who does not close after that is not waited for', async () => {
    const { gateway } = await setUp();
    const server = gateway.gateway.gateway.app.getHttpServer();
    const count = promisify(server.getConnections.bind(server));
    const { hostname, port } = new URL(gateway.gateway.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    await once(socket, 'connect');
    await eventually(async () => (await count()) > 0);
    const before = await count();
    const head = ['host: x', key(gateway), JSON_TYPE, 'transfer-encoding: chunked'];
    socket.write(requestText(CHAT, head, 'zz\r\n'));
    expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 400 /);
    await eventually(async () => (await count()) < before);
    socket.destroy();
  });

  it('row 71: a target with a scheme and a host is taken by its path, and nothing is looked for there', async () => {
    const { gateway, upstream } = await setUp();
    const { answers } = await exchange(
      gateway.gateway.url,
      requestText(
        `POST http://${new URL(upstream.url).host}${PATH} HTTP/1.1`,
        ['host: x', 'connection: close', key(gateway), JSON_TYPE, LENGTH],
        BODY,
      ),
    );
    expect([200, 400, 404]).toContain(answers[0]?.status);
    note(`absolute target: ${answers[0]?.status}`);
    expect(upstream.requests.filter(({ headers }) => headers.authorization !== 'Bearer credential-0')).toEqual([]);
  });

  it.each(['CONNECT x:443 HTTP/1.1', 'TRACE / HTTP/1.1', 'OPTIONS * HTTP/1.1'])(
    'row 71: %s opens nothing',
    async (line) => {
      const { gateway } = await setUp();
      const { answers, closed } = await exchange(
        gateway.gateway.url,
        requestText(line, ['host: x', 'connection: close', key(gateway)]),
      );
      expect(closed).toBe(true);
      expect(answers.map(({ status }) => status >= 400)).toEqual([true]);
      answers.forEach(codeOf);
    },
  );
});
