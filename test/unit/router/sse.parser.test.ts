import fc from 'fast-check';
import { RoutingConfig } from '../../../src/config/schema/gateway.config.js';
import type { ServerSentEvent } from '../../../src/domain/provider-adapter.js';
import { UpstreamError } from '../../../src/domain/upstream-error.js';
import { SseParser } from '../../../src/router/sse.parser.js';

function parse(pieces: readonly Buffer[], maxEventBytes = 1_000_000): ServerSentEvent[] {
  const parser = new SseParser(maxEventBytes);
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
}

const read = (text: string): ServerSentEvent[] => parse([Buffer.from(text)]);
const data = (text: string): string[] => read(text).map((event) => event.data);

/** The standard's steps in their plainest form: the whole text at once, line by line. */
function readAsTheStandardSays(bytes: Buffer): ServerSentEvent[] {
  const text = new TextDecoder().decode(bytes);
  const events: ServerSentEvent[] = [];
  let type = '';
  let lines: string[] = [];
  // Unlike a browser, AEGIS takes the last event without its blank line: what reads it judges whether it is whole.
  for (const line of [...text.split(/\r\n|\r|\n/), '']) {
    if (line === '') {
      if (lines.length > 0) events.push({ type, data: lines.join('\n') });
      type = '';
      lines = [];
    } else {
      const [, field, value = ''] = /^([^:]*)(?:: ?([\s\S]*))?$/.exec(line) ?? [];
      if (field === 'data') lines.push(value);
      if (field === 'event') type = value;
    }
  }
  return events;
}

describe('SseParser', () => {
  it.each([
    ['line feeds', 'data: a\n\ndata: b\n\n'],
    ['carriage returns', 'data: a\r\rdata: b\r\r'],
    ['both', 'data: a\r\n\r\ndata: b\r\n\r\n'],
    ['a mixture', 'data: a\r\ndata: \n\ndata: b\r\n\r'],
  ])('ends lines at %s', (_name, text) => {
    expect(data(text).map((value) => value.trim())).toEqual(['a', 'b']);
  });

  it('joins the data lines of one event and keeps its type', () => {
    expect(read('event: note\ndata: a\ndata:\ndata:  b\n\n')).toEqual([{ type: 'note', data: 'a\n\n b' }]);
  });

  it('takes one blank after the colon, or none, and no more', () => {
    expect(data('data:a\n\ndata: a\n\ndata:  a\n\n')).toEqual(['a', 'a', ' a']);
  });

  it('passes over comments, ids, retries, unknown fields and events without data', () => {
    expect(read(': hello\nid: 1\nretry: 5\nnonsense\nevent: empty\n\ndata: a\n\n')).toEqual([{ type: '', data: 'a' }]);
  });

  it('takes a line that is only a field name as that field, empty', () => {
    expect(data('data\n\n')).toEqual(['']);
  });

  it('passes over one byte order mark at the start', () => {
    expect(data('\uFEFFdata: a\n\n')).toEqual(['a']);
    expect(data('data: a\n\n\uFEFFdata: b\n\n')).toEqual(['a']);
  });

  it('takes a last event that lacks its blank line, or even its line end', () => {
    expect(data('data: a\n\ndata: b\n')).toEqual(['a', 'b']);
    expect(data('data: a\n\ndata: b')).toEqual(['a', 'b']);
  });

  it('keeps a zero byte, and replaces what is no UTF-8', () => {
    expect(data('data: a\0b\n\n')).toEqual(['a\0b']);
    const broken = Buffer.concat([Buffer.from('data: a'), Buffer.from([0xff, 0xe2, 0x82]), Buffer.from('b\n\n')]);
    for (const size of [1, 2, broken.length]) {
      const pieces = Array.from({ length: Math.ceil(broken.length / size) }, (_, index) =>
        broken.subarray(index * size, (index + 1) * size),
      );
      expect(parse(pieces)).toEqual([{ type: '', data: 'a\uFFFD\uFFFDb' }]);
    }
  });

  it('reads any bytes as the standard says, wherever they are split', () => {
    const part = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom('data', 'event', ':', ' ', '\n', '\r', '\r\n', '\n\n', 'data: ', '\uFEFF'),
      },
      { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('id: 3', 'retry: 5', ': comment', 'data:{"a":"ü€😀"}', 'DATA: x', 'dat', '\0'),
      },
    );
    const raw = fc.tuple(fc.array(part, { maxLength: 40 }), fc.array(fc.nat(255), { maxLength: 3 }), fc.nat(60));
    fc.assert(
      fc.property(raw, fc.array(fc.nat(200), { maxLength: 12 }), ([parts, noise, place], cuts) => {
        const text = Buffer.from(parts.join(''));
        const at = Math.min(place, text.length);
        const bytes = Buffer.concat([text.subarray(0, at), Buffer.from(noise), text.subarray(at)]);
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        expect(parse(pieces)).toEqual(readAsTheStandardSays(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds the same events wherever the bytes are split', () => {
    const line = fc.oneof(
      fc.string({ unit: 'grapheme' }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, '')}`),
      fc.constantFrom('', '', 'event: note', ': comment', 'data', 'id: 7'),
    );
    const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 30 });
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400), { maxLength: 40 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.flat().join(''));
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        expect(parse(pieces)).toEqual(parse([bytes]));
        expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(parse([bytes]));
      }),
    );
  });

  it('refuses an event above its limit, after the events before it, wherever the bytes are split', () => {
    const bytes = Buffer.from(`data: small\n\ndata: ${'x'.repeat(60)}\ndata: ${'x'.repeat(60)}\n\n`);
    for (const size of [1, 7, bytes.length]) {
      const parser = new SseParser(100);
      const events: ServerSentEvent[] = [];
      const run = (): void => {
        for (let from = 0; from < bytes.length; from += size) {
          events.push(...parser.push(bytes.subarray(from, from + size)));
        }
        events.push(...parser.end());
      };
      expect(run).toThrow(UpstreamError);
      expect(run).toThrow(expect.objectContaining({ disposition: 'invalid', code: 'upstream_invalid_response' }));
      expect(events).toEqual([{ type: '', data: 'small' }]);
    }
  });

  it('refuses an event of very many lines', () => {
    for (const line of ['data\n', 'data: \n', 'data: x\n', 'data: ü\r\n']) {
      expect(() => parse([Buffer.from(line.repeat(1_000))], 4_000)).toThrow(
        expect.objectContaining({
          disposition: 'invalid',
          message: 'The provider sent an event larger than AEGIS accepts.',
        }),
      );
    }
  });

  it('has its limit at 16 MiB where none is configured', () => {
    const { maxEventBytes } = new RoutingConfig();
    const longest = Buffer.alloc(maxEventBytes, 'x');
    longest.write('data: ');
    expect(parse([longest, Buffer.from('\n\n')], maxEventBytes)[0]?.data).toHaveLength(maxEventBytes - 6);
    expect(() => parse([longest, Buffer.from('x\n\n')], maxEventBytes)).toThrow(UpstreamError);
    expect(maxEventBytes).toBe(16 * 1024 * 1024);
  });

  it.each([
    ['empty lines', '\n'],
    ['empty lines of both kinds', '\r\n'],
    ['comments', ':\n'],
    ['comments in words', ': PROCESSING\n\n'],
    ['events without data', 'event: ping\n\n'],
    ['unknown fields', 'x: y\n'],
  ])('passes a million %s by, and searches each of their bytes at most twice', (_name, line) => {
    // Counted, not timed: the bytes that searches for a line's end go over.
    const bytes = Buffer.from(line.repeat(1_000_000));
    let searched = 0;
    const find = Buffer.prototype.indexOf;
    const spy = jest.spyOn(Buffer.prototype, 'indexOf').mockImplementation(function (this: Buffer, ...args) {
      const from = Number(args[1] ?? 0);
      const found = find.apply(this, args);
      searched += (found === -1 ? this.length : found + 1) - from;
      return found;
    });
    const parser = new SseParser(1_000);
    let found = 0;
    for (let from = 0; from < bytes.length; from += 64 * 1024) {
      found += parser.push(bytes.subarray(from, from + 64 * 1024)).length;
    }
    spy.mockRestore();
    expect(found + parser.push(Buffer.from('\ndata: a\n\n')).length).toBe(1);
    expect(searched).toBeLessThanOrEqual(2 * bytes.length);
  });

  it('refuses a line that never ends', () => {
    const parser = new SseParser(1000);
    const flood = (): void => {
      for (let count = 0; count < 100; count++) parser.push(Buffer.alloc(100, 'x'));
    };
    expect(flood).toThrow(UpstreamError);
  });

  it('lets any number of small events and comments pass', () => {
    const text = `: ${'x'.repeat(80)}\n`.repeat(50) + 'data: a\n\n'.repeat(50);
    expect(parse([Buffer.from(text)], 100)).toHaveLength(50);
  });

  it('reads a 4 MB line in small pieces with work in proportion to its length', () => {
    // Counted, not timed: how many bytes are copied while the line grows.
    const copy = jest.spyOn(Buffer.prototype, 'copy');
    const parser = new SseParser(8_000_000);
    const piece = Buffer.alloc(100, 'x');
    parser.push(Buffer.from('data: '));
    for (let count = 0; count < 40_000; count++) parser.push(piece);
    const events = parser.push(Buffer.from('\n\n'));
    const copied = copy.mock.results.reduce((sum, { value }) => sum + Number(value), 0);
    copy.mockRestore();

    expect(events[0]?.data).toHaveLength(4_000_000);
    expect(copied).toBeLessThan(4 * 4_000_000);
  });
});
