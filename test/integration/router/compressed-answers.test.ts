import * as zlib from 'node:zlib';
import {
  brokenStreamAnswer,
  chunkEvent,
  completionAnswer,
  errorAnswer,
  type ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { completionOf, contentOf, errorOf, eventually, RouterHarness, readAll, streamOf } from './router-harness.js';

let harness: RouterHarness;
let upstream: ScriptableUpstream;

beforeEach(async () => {
  harness = new RouterHarness();
  upstream = await harness.startUpstream();
});
afterEach(() => harness.close());

type Compress = (bytes: Buffer) => Buffer;

const { zstdCompressSync } = zlib as { zstdCompressSync?: Compress };
const ENCODINGS: [string, string, Compress][] = [
  ['gzip', 'gzip', zlib.gzipSync],
  ['x-gzip', 'X-GZIP', zlib.gzipSync],
  ['deflate', 'deflate', zlib.deflateSync],
  ['deflate without its header', 'deflate', zlib.deflateRawSync],
  ['brotli', 'br', zlib.brotliCompressSync],
  ...(zstdCompressSync ? [['zstd', 'identity, zstd', zstdCompressSync] as [string, string, Compress]] : []),
];
const EVENT_STREAM = { 'content-type': 'text/event-stream' };

function bytesOf({ body }: ScriptedAnswer): Buffer {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return Buffer.from(body);
  if (Array.isArray(body)) return Buffer.concat(body.map((piece: string | Buffer) => Buffer.from(piece)));
  throw new Error('This answer has no bytes.');
}

function compressed(answer: ScriptedAnswer, encoding: string, compress: Compress): ScriptedAnswer {
  return {
    ...answer,
    headers: { ...answer.headers, 'content-encoding': encoding },
    body: compress(bytesOf(answer)),
  };
}

/** Brings out what one compressor makes of each piece, flushed after each as a server that streams does. */
async function* flushed(
  pieces: Iterable<string>,
  stream: zlib.Gzip | zlib.BrotliCompress,
  pauseMs = 0,
): AsyncGenerator<Buffer> {
  const made: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => made.push(bytes));
  const taken = (): Buffer => Buffer.concat(made.splice(0));
  for (const piece of pieces) {
    stream.write(piece);
    await new Promise<void>((resolve) => stream.flush(() => resolve()));
    yield taken();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  stream.end();
  await new Promise((resolve) => stream.on('end', resolve));
  yield taken();
}

function textsOf({ body }: ScriptedAnswer): readonly string[] {
  if (!Array.isArray(body)) throw new Error('This answer is not made of pieces.');
  return body.map(String);
}

describe.each(ENCODINGS)('an answer that comes in %s although nobody asked', (_name, encoding, compress) => {
  it.each([0, 1])('is read (bytes a write: %s; 0 = all)', async (sliceBytes) => {
    upstream.script({ ...compressed(completionAnswer('hello'), encoding, compress), sliceBytes });
    const { completion, served } = await completionOf(harness.call([harness.targetOf(upstream)]));
    expect(completion.choices[0]?.message.content).toBe('hello');
    expect(served.attempts).toBe(1);
  });

  it('is read as a stream', async () => {
    upstream.script({ ...compressed(streamAnswer(['one ', 'two']), encoding, compress), sliceBytes: 7 });
    const call = harness.call([harness.targetOf(upstream)], { stream: true });
    const { texts, error } = await readAll(await streamOf(call));
    expect(error).toBeNull();
    expect(contentOf(texts)).toBe('one two');
    expect(call.context.usage).toMatchObject({ totalTokens: 12 });
  });

  it.each([false, true])("is read as a refusal, the provider's own words included (stream: %s)", async (stream) => {
    upstream.script(compressed(errorAnswer(422, 'temperature is too high'), encoding, compress));
    const error = await errorOf(harness.call([harness.targetOf(upstream)], { stream }));
    expect(error).toMatchObject({ status: 422, message: expect.stringContaining('temperature is too high') });
  });

  it('is the upstream_invalid_response it is where it breaks off in the middle', async () => {
    const answer = compressed(completionAnswer('hello'.repeat(100)), encoding, compress);
    upstream.script({ ...answer, body: bytesOf(answer).subarray(0, -9) });
    const error = await errorOf(harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } }));
    expect(error).toMatchObject({ code: 'upstream_invalid_response', status: 502 });
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'invalid_response' }]);
  });

  it('is cut off at the limit where it stands for a thousand times its size, and never unpacked in memory', async () => {
    const bomb = compress(Buffer.alloc(256 * 1024 * 1024, ' '));
    expect(bomb.length).toBeLessThan(1024 * 1024);
    upstream.script({ headers: { 'content-type': 'application/json', 'content-encoding': encoding }, body: bomb });
    const before = process.memoryUsage.rss();
    const routing = { maxAnswerBytes: 1024 * 1024, maxAttempts: 1 };
    const error = await errorOf(harness.call([harness.targetOf(upstream)], { routing }));
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a compressed stream', () => {
  it.each([
    ['gzip', 'gzip', () => zlib.createGzip()],
    ['brotli', 'br', () => zlib.createBrotliCompress()],
  ] as const)('in %s brings each event as its upstream flushes it', async (_name, encoding, create) => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const pieces = textsOf(streamAnswer(['first ', 'second']));
    upstream.script({
      headers: { ...EVENT_STREAM, 'content-encoding': encoding },
      body: async function* () {
        let index = 0;
        for await (const bytes of flushed(pieces, create())) {
          // The second word is not sent before the first has arrived at the other end.
          if (index++ === 2) await held;
          yield bytes;
        }
      },
    });
    const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true }));
    const texts: string[] = [];
    const ended = new Promise((resolve) => {
      stream.chunks.subscribe({
        next: (read) => {
          texts.push(...read);
          if (contentOf(texts) === 'first ') release();
        },
        error: resolve,
        complete: () => resolve(null),
      });
    });
    expect(await ended).toBeNull();
    expect(contentOf(texts)).toBe('first second');
  });

  it('hands over what came before it broke off, then ends with an error', async () => {
    const pieces = textsOf(brokenStreamAnswer(['first ', 'second'], 'cut'));
    upstream.script({
      headers: { ...EVENT_STREAM, 'content-encoding': 'gzip' },
      body: async function* () {
        let left = pieces.length;
        for await (const bytes of flushed(pieces, zlib.createGzip())) if (left-- > 0) yield bytes;
      },
      ending: 'cut',
    });
    const { texts, error } = await readAll(
      await streamOf(harness.call([harness.targetOf(upstream)], { stream: true })),
    );
    expect(contentOf(texts)).toBe('first second');
    expect(error).toMatchObject({ code: 'upstream_error' });
  });

  it('ends with an error where it stops making sense', async () => {
    const pieces = textsOf(brokenStreamAnswer(['first ', 'second'], 'complete'));
    upstream.script({
      headers: { ...EVENT_STREAM, 'content-encoding': 'gzip' },
      body: async function* () {
        let left = pieces.length;
        for await (const bytes of flushed(pieces, zlib.createGzip())) if (left-- > 0) yield bytes;
        yield Buffer.alloc(64, 0xff);
      },
    });
    const { texts, error } = await readAll(
      await streamOf(harness.call([harness.targetOf(upstream)], { stream: true })),
    );
    expect(contentOf(texts)).toBe('first second');
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
  });

  it('that never ends is cut off at the limit of a stream, counted in what it unpacks to', async () => {
    const event = chunkEvent({ content: 'x'.repeat(64 * 1024) });
    upstream.script({
      headers: { ...EVENT_STREAM, 'content-encoding': 'gzip' },
      body: () => flushed(endless(event), zlib.createGzip()),
    });
    const routing = { maxStreamBytes: 8 * 1024 * 1024 };
    const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true, routing }));
    const { error } = await readAll(stream);
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
    const request = await upstream.request();
    await request.closed;
    expect(request.bytesSent).toBeLessThan(1024 * 1024);
  });

  describe('that unpacks to a thousand times its size', () => {
    const bytesOfEvents = 100 * 64 * 1024;
    const events = chunkEvent({ content: 'x'.repeat(64 * 1024) }).repeat(100);
    /** Stands for the events wherever it is in the stream. */
    const block = zlib.deflateRawSync(events, { finishFlush: zlib.constants.Z_FULL_FLUSH });

    beforeEach(() => {
      upstream.script({
        headers: { ...EVENT_STREAM, 'content-encoding': 'deflate' },
        body: function* () {
          yield Buffer.from([0x78, 0x9c]);
          for (;;) yield block;
        },
      });
    });

    it('waits for a slow reader', async () => {
      const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true }));
      let bytes = 0;
      const subscription = stream.chunks.subscribe((texts) => {
        for (const text of texts) bytes += text.length;
      });
      await eventually(() => bytes > 2 * bytesOfEvents);
      stream.flow.pause();
      const atPause = bytes;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(bytes - atPause).toBeLessThan(1024 * 1024);
      stream.flow.resume();
      await eventually(() => bytes > atPause + bytesOfEvents);
      subscription.unsubscribe();
    });

    it('comes no faster than it is unpacked', async () => {
      const routing = { maxStreamBytes: 256 * 1024 * 1024 };
      const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true, routing }));
      const { error } = await readAll(stream);
      expect(error).toMatchObject({ code: 'upstream_invalid_response' });
      // What it unpacked is in the first 300 KB; the rest was on its way.
      expect((await upstream.request()).bytesSent).toBeLessThan(16 * 1024 * 1024);
    });
  });

  it('is handed over to the last byte that came, however suddenly it breaks off', async () => {
    const words = Array.from({ length: 40 }, (_, index) => `${index} ${'x'.repeat(64 * 1024)}`);
    const bytes = words.map((content) => chunkEvent({ content })).join('');
    upstream.script({
      headers: { ...EVENT_STREAM, 'content-encoding': 'gzip' },
      body: zlib.gzipSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH }),
      ending: 'cut',
    });
    const { texts, error } = await readAll(
      await streamOf(harness.call([harness.targetOf(upstream)], { stream: true })),
    );
    expect(contentOf(texts)).toBe(words.join(''));
    expect(error).toMatchObject({ code: 'upstream_error' });
  });

  it('is let go at once when the client leaves', async () => {
    const pieces = textsOf(brokenStreamAnswer(['first '], 'stall'));
    upstream.script({
      headers: { ...EVENT_STREAM, 'content-encoding': 'gzip' },
      body: () => flushed([...pieces], zlib.createGzip()),
      ending: 'stall',
    });
    const call = harness.call([harness.targetOf(upstream)], { stream: true });
    await streamOf(call);
    call.context.leave();
    await (await upstream.request()).closed;
  });
});

function* endless(text: string): Generator<string> {
  for (;;) yield text;
}

describe('an encoding that AEGIS cannot read', () => {
  it.each([
    ['stacked on another', 'gzip, gzip'],
    ['of another kind', 'compress'],
  ])('%s is no answer', async (_name, encoding) => {
    upstream.script(compressed(completionAnswer('hello'), encoding, (bytes) => zlib.gzipSync(zlib.gzipSync(bytes))));
    const error = await errorOf(harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } }));
    expect(error).toMatchObject({ code: 'upstream_invalid_response', status: 502 });
  });

  it('leaves the status of a refusal to speak for itself', async () => {
    upstream.script(compressed(errorAnswer(422), 'compress', (bytes) => bytes));
    expect((await errorOf(harness.call([harness.targetOf(upstream)]))).status).toBe(422);
  });
});

describe('an answer that says it is compressed', () => {
  it('and is not is no answer', async () => {
    upstream.script(compressed(completionAnswer('hello'), 'gzip', (bytes) => bytes));
    const error = await errorOf(harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } }));
    expect(error).toMatchObject({ code: 'upstream_invalid_response', status: 502 });
  });

  it('and is empty is judged by its status', async () => {
    upstream.script({ status: 503, headers: { 'content-encoding': 'gzip' } });
    await errorOf(harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } }));
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'upstream_fault' }]);
  });

  it('and is whole is read although padding follows it, and its connection serves again', async () => {
    const answer = compressed(completionAnswer('hello'), 'gzip', zlib.gzipSync);
    upstream.script({ ...answer, body: Buffer.concat([bytesOf(answer), Buffer.alloc(256 * 1024)]) });
    for (let index = 0; index < 2; index++) {
      const { completion } = await completionOf(harness.call([harness.targetOf(upstream)]));
      expect(completion.choices[0]?.message.content).toBe('hello');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(upstream.connections).toBe(1);
  });
});
