import { brotliCompressSync, constants, createGzip, deflateSync, gzipSync } from 'node:zlib';
import { chunkEvent, completionAnswer, type ScriptedAnswer, streamAnswer } from '../../support/scriptable-upstream.js';
import { expectBroken, expectError, expectWhole, FaultSite, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { EVENT_STREAM, words } from '../support/provider-answers.js';

const MEBIBYTE = 1024 * 1024;
const site = new FaultSite();

const ENCODINGS: [string, (body: string) => Buffer][] = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
];

function encoded(encoding: string, answer: ScriptedAnswer, body: Buffer): ScriptedAnswer {
  return { ...answer, headers: { ...answer.headers, 'content-encoding': encoding }, body, sliceBytes: 50 };
}

it('row 24: no compression is asked for', async () => {
  const upstream = await site.upstream();
  const gateway = await site.gateway([target(upstream)]);
  upstream.script(completionAnswer('good'), streamAnswer(['good']));
  await gateway.ask();
  await gateway.stream();
  expect(upstream.requests.map(({ headers }) => headers['accept-encoding'])).toEqual(['identity', 'identity']);
});

it.each(ENCODINGS)('row 24: %s that nobody asked for is read', async (encoding, compress) => {
  const upstream = await site.upstream();
  const gateway = await site.gateway([target(upstream)]);
  const completion = completionAnswer('good');
  const stream = streamAnswer(words(30));
  upstream.script(
    encoded(encoding, completion, compress(String(completion.body))),
    encoded(encoding, stream, compress((stream.body as readonly string[]).join(''))),
  );
  expect((await gateway.ask()).content).toBe('good');
  expectWhole(await gateway.stream(), words(30).join(''));
});

it('row 24: a compressed stream is passed on event by event, as it is flushed', async () => {
  const upstream = await site.upstream();
  const gateway = await site.gateway([target(upstream)]);
  let seen = '';
  let wake = (): void => undefined;
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  const compress = (text: string): Promise<Buffer> =>
    new Promise((resolve) => {
      gzip.write(text, () => resolve(gzip.read() as Buffer));
    });
  upstream.script({
    headers: { ...EVENT_STREAM, 'content-encoding': 'gzip' },
    body: async function* () {
      for (const word of words(5)) {
        yield await compress(chunkEvent({ role: 'assistant', content: word }));
        // Nothing more before the client has this one.
        while (!seen.includes(word)) await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    ending: 'stall',
  });
  const client = gateway.open({ stream: true });
  await new Promise<void>((resolve) => {
    client.on('data', (piece) => {
      seen += piece;
      wake();
      if (seen.includes('w4 ')) resolve();
    });
  });
  client.destroy();
});

it.each([
  ['a JSON answer', false],
  ['a stream', true],
])('row 24: a megabyte that stands for a gigabyte is cut at the limit: %s', async (_kind, stream) => {
  const upstream = await site.upstream();
  const gateway = await site.gateway([target(upstream)], {
    max_attempts: 1,
    max_answer: '8MiB',
    max_event: '8MiB',
  });
  const part = gzipSync(Buffer.alloc(16 * MEBIBYTE, 'x'));
  upstream.script({
    headers: { 'content-type': stream ? 'text/event-stream' : 'application/json', 'content-encoding': 'gzip' },
    body: Array.from({ length: 64 }, () => part),
  });
  const before = process.memoryUsage().rss;
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 5);
  const reply = await gateway.ask({ stream });
  clearInterval(sampling);
  expectError(reply, 502, 'upstream_invalid_response');
  const grownMebibytes = (most - before) / MEBIBYTE;
  expect(grownMebibytes).toBeLessThan(200);
  note(`${grownMebibytes.toFixed(0)} MiB more memory, the upstream's included`);
});

it('row 24: a body that is not what its content-encoding says', async () => {
  const upstream = await site.upstream();
  const gateway = await site.gateway([target(upstream)], { max_attempts: 1 });
  for (const answer of [completionAnswer('good'), streamAnswer(['good'])]) {
    upstream.script({ ...answer, headers: { ...answer.headers, 'content-encoding': 'gzip' } });
    expectError(await gateway.ask({ stream: Array.isArray(answer.body) }), 502, 'upstream_invalid_response');
  }
});

it('row 24: a compressed stream that breaks off after its first content', async () => {
  const upstream = await site.upstream();
  const gateway = await site.gateway([target(upstream)]);
  const stream = streamAnswer(words(200));
  const body = gzipSync((stream.body as readonly string[]).join(''), { level: 1 });
  for (const ending of ['complete', 'cut'] as const) {
    upstream.script({ ...encoded('gzip', stream, body.subarray(0, body.length / 2)), ending });
    expectBroken(await gateway.stream(), ending === 'cut' ? 'upstream_error' : 'upstream_invalid_response');
  }
});
