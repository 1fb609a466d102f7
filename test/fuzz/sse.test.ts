import fc from 'fast-check';
import type { ServerSentEvent } from '../../src/domain/provider-adapter.js';
import { UpstreamError } from '../../src/domain/upstream-error.js';
import { SseParser } from '../../src/router/sse.parser.js';
import { CAMPAIGN_TIMEOUT_MS, campaign } from './support/campaign.js';

const MAX_EVENT_BYTES = 4_096;
const PIECES = [
  ...['data:', 'data: ', 'data', 'event: ', 'event:message_stop', 'id: 1', 'retry: 5', ': comment', ':', ' ', '\t'],
  ...[
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\r\r',
    '\n\r\n',
    '[DONE]',
    '{"choices":[]}',
    '{',
    '"',
    '\ufeff',
    '\0',
    '\u2028',
    '🐦',
  ],
];
const bytes = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...PIECES).map((piece) => Buffer.from(piece)) },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.from(array)) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 6_000 }).map((count) => Buffer.alloc(count, 'x')) },
    ),
    { maxLength: 60 },
  )
  .map((pieces) => Buffer.concat(pieces));
const cuts = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 80 });

type Reading = readonly (ServerSentEvent | 'too large')[];

/** All events, and whether it ended in a refusal. Anything else that is thrown fails the test. */
function readAll(pieces: readonly Buffer[]): Reading {
  const parser = new SseParser(MAX_EVENT_BYTES);
  const events: (ServerSentEvent | 'too large')[] = [];
  try {
    for (const piece of pieces) events.push(...parser.push(piece));
    events.push(...parser.end());
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(UpstreamError);
    events.push('too large');
  }
  return events;
}

function cutUp(whole: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const length of lengths) {
    pieces.push(whole.subarray(from, from + length));
    from += length;
  }
  return [...pieces, whole.subarray(from)];
}

describe('the reader of event streams', () => {
  it(
    'reads any bytes the same however they are cut, and refuses only what is too large',
    () =>
      campaign(fc.record({ bytes, cuts }), ({ bytes: whole, cuts: lengths }) => {
        const atOnce = readAll([whole]);
        expect(readAll(cutUp(whole, lengths))).toEqual(atOnce);
        for (const event of atOnce) {
          if (event !== 'too large') expect(Buffer.byteLength(event.data)).toBeLessThanOrEqual(MAX_EVENT_BYTES * 3);
        }
      }),
    CAMPAIGN_TIMEOUT_MS,
  );
});
