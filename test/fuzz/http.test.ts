import { connect } from 'node:net';
import fc from 'fast-check';
import { ERRORS } from '../../src/domain/errors.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process.js';
import { CAMPAIGN_TIMEOUT_MS, campaign, mutationsOf } from './support/campaign.js';

/** Generous: what takes as long hangs. */
const PATIENCE_MS = 20_000;
/** What Node and the hooks before any route answer with, beside the codes of docs/errors.md. */
const BEFORE_ROUTES = [408, 417, 431];
/** Nothing sent in here can be these providers' doing, nor may it be a fault of ours. */
const NEVER = [500, 502, 504];
const DOCUMENTED = new Set<number>([200, 204, ...BEFORE_ROUTES, ...Object.values(ERRORS).map(({ status }) => status)]);

let gateway: TestGateway;
let child: GatewayProcess;
let url: URL;
beforeAll(async () => {
  gateway = await startTestGateway();
  const telemetry = { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' };
  expect(await gateway.reload({ gateway: { telemetry } })).toBe('applied');
  child = spawnGateway({ AEGIS_CONFIG_DIR: gateway.configDirectory });
  url = new URL(String((await child.logged('gateway is listening')).url));
});
afterAll(async () => {
  child?.child.kill('SIGKILL');
  await child?.exited;
  await gateway.close();
});
afterEach(async () => {
  // It lives, it serves, and nothing went wrong inside that no client was told.
  expect([child.child.exitCode, child.child.signalCode]).toEqual([null, null]);
  const [answer] = splitAnswers(await talk(Buffer.from(requestOf(chat('hello')))));
  expect(answer?.status).toBe(200);
  expect(child.output()).not.toMatch(/"msg":"(uncaught exception|unhandled rejection|request failed)"/);
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Sends bytes, says that there are no more, and reads until the gateway closes. */
function talk(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error('The connection hangs.'));
    }, PATIENCE_MS);
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(pieces));
    });
    socket.end(bytes);
  });
}

function splitAnswers(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  for (let rest = bytes; ; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const head = rest.subarray(0, end).toString('latin1');
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? rest.length - end - 4);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    answers.push({ status, body: rest.subarray(end + 4, end + 4 + length).toString('utf8') });
    rest = rest.subarray(end + 4 + length);
  }
}

function expectDocumented(answers: readonly Answer[]): void {
  for (const { status, body } of answers) {
    // An interim answer is none.
    if (status === 100) continue;
    expect({ status, documented: DOCUMENTED.has(status) && !NEVER.includes(status) }).toEqual({
      status,
      documented: true,
    });
    if (status < 400 || body === '') continue;
    const { error } = JSON.parse(body) as { error: Record<string, unknown> };
    expect(Object.keys(error)).toEqual(expect.arrayContaining(['message', 'type', 'param', 'code', 'request_id']));
  }
}

const chat = (content: unknown, more: object = {}) =>
  JSON.stringify({ model: 'test-model', messages: [{ role: 'user', content }], ...more });

function requestOf(body: string, more = ''): string {
  return (
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${gateway.key}\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`
  );
}

const TOKENS = [
  ...[
    'GET',
    'POST',
    'HEAD',
    'OPTIONS',
    'PUT',
    'CONNECT',
    'PRI',
    ' ',
    '/',
    '/v1/models',
    '/v1/chat/completions',
    '/aegis/v1/health',
  ],
  ...[
    '?',
    '#',
    '%',
    '%00',
    '%zz',
    '..',
    '//',
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    ':',
    ': ',
  ],
  ...[
    'host',
    'content-length: 5',
    'content-length: -1',
    'transfer-encoding: chunked',
    'transfer-encoding: gzip',
    'expect: 100-continue',
  ],
  ...[
    'connection: keep-alive',
    'connection: close',
    'upgrade: websocket',
    'content-type: application/json',
    'content-type: text/plain',
  ],
  ...[
    'content-encoding: gzip',
    'x-request-id: ',
    'x-aegis-classification: ',
    'x-aegis-explain: 1',
    'traceparent: 00-',
    'x-forwarded-for: ',
  ],
  ...['0\r\n\r\n', '5\r\nhello\r\n', 'ffffffff\r\n', '{}', '[]', '{"model":', '\0', '\xff', '\t', ' \r\n'],
];

describe('the HTTP surface', () => {
  it(
    'answers any bytes with something documented, or closes',
    async () => {
      const seeds = [
        requestOf(chat('hi')),
        `GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\n\r\n`.repeat(2),
        'GET /aegis/v1/health HTTP/1.1\r\nhost: x\r\n\r\n',
        `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\n` +
          'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
      ];
      await campaign(mutationsOf(seeds, TOKENS), async (text) =>
        expectDocumented(splitAnswers(await talk(Buffer.from(text, 'latin1')))),
      );
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  it(
    'answers any body with something documented',
    async () => {
      const bodies = [
        chat('hi'),
        chat([{ type: 'text', text: 'hi' }], { stream: true, stream_options: { include_usage: true } }),
        chat('hi', {
          tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
          tool_choice: 'auto',
        }),
        chat('hi', { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {} } }, seed: 1, n: 2 }),
      ];
      const tokens = [
        '"',
        '\\',
        '\\u',
        '\\ud800',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        'null',
        '1e999',
        '-0',
        '""',
        '[[[[',
        '"__proto__":',
        '\ufeff',
        '\0',
      ];
      await campaign(mutationsOf(bodies, tokens), async (body) =>
        expectDocumented(splitAnswers(await talk(Buffer.from(requestOf(body))))),
      );
    },
    CAMPAIGN_TIMEOUT_MS,
  );

  it(
    'answers any JSON in any field with something documented',
    async () => {
      const FIELDS = [
        ...[
          'model',
          'messages',
          'stream',
          'stream_options',
          'max_tokens',
          'max_completion_tokens',
          'temperature',
          'top_p',
          'n',
          'stop',
        ],
        ...[
          'tools',
          'tool_choice',
          'parallel_tool_calls',
          'response_format',
          'reasoning_effort',
          'user',
          'metadata',
          'seed',
          'logit_bias',
        ],
      ];
      const MESSAGE = ['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'refusal', 'audio'];
      const value = fc.oneof(
        fc.jsonValue({ maxDepth: 4 }),
        fc.constantFrom<unknown>('test-model', 'user', 'tool', true, 1, [], {}, null),
      );
      const message = fc.dictionary(fc.constantFrom(...MESSAGE), value, { maxKeys: 4 });
      const body = fc.record({
        fields: fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 4 }),
        messages: fc.option(
          fc.array(fc.record({ role: fc.constantFrom('user', 'assistant', 'tool'), more: message }), { maxLength: 4 }),
        ),
      });
      await campaign(body, async ({ fields, messages }) => {
        const chosen = messages?.map(({ role, more }) => ({ role, content: 'hi', ...more }));
        const text = JSON.stringify({
          model: 'test-model',
          messages: chosen ?? [{ role: 'user', content: 'hi' }],
          ...fields,
        });
        expectDocumented(splitAnswers(await talk(Buffer.from(requestOf(text)))));
      });
    },
    CAMPAIGN_TIMEOUT_MS,
  );
});
