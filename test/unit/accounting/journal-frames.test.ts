import fc from 'fast-check';
import { decodeEntry, encodeBeginning, encodeRecord } from '../../../src/accounting/journal/record.codec.js';
import { MAX_FRAME_BYTES, readFrames, writeFrame } from '../../../src/journal/frames.js';
import { makeBeginning, makeUsageRecord, usageRecords } from '../../support/usage-records.js';

const frameOf = (payload: string): Buffer => {
  const target = Buffer.alloc(MAX_FRAME_BYTES);
  return Buffer.from(target.subarray(0, writeFrame(payload, target)));
};

const segmentOf = (payloads: readonly string[]): Buffer => Buffer.concat(payloads.map(frameOf));
const payloads = () => fc.array(usageRecords().map(encodeRecord), { minLength: 1, maxLength: 5 });

describe('the journal', () => {
  it('gives back any record as it was', () => {
    fc.assert(
      fc.property(usageRecords(), (record) => {
        const [payload = ''] = readFrames(frameOf(encodeRecord(record)), true).payloads;
        expect(decodeEntry(payload)).toEqual({ kind: 'record', record });
      }),
    );
  });

  it('gives back what was known of a request as it was begun', () => {
    const beginning = makeBeginning({ project: 'apollo' });
    expect(decodeEntry(encodeBeginning(beginning))).toEqual({ kind: 'beginning', beginning });
  });

  it('takes nothing for a record that is none', () => {
    for (const payload of [
      '',
      'R',
      'R{',
      'R{}',
      'B{}',
      'Rnull',
      'R[]',
      'X{}',
      encodeRecord(makeUsageRecord()).slice(1),
    ]) {
      expect(decodeEntry(payload)).toBeNull();
    }
  });

  it('reads, wherever it was cut off, the records before the cut and no other', () => {
    fc.assert(
      fc.property(payloads(), fc.nat(), (written, at) => {
        const whole = segmentOf(written);
        const cut = at % (whole.length + 1);
        const ends = written.map((_, index) => segmentOf(written.slice(0, index + 1)).length);
        const kept = ends.filter((end) => end <= cut).length;
        const reading = readFrames(whole.subarray(0, cut), true);
        expect(reading.payloads).toEqual(written.slice(0, kept));
        const rest = cut - (ends[kept - 1] ?? 0);
        expect(reading.damages.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(rest);
      }),
    );
  });

  it('loses, whichever byte is wrong, the record it stands in and no other', () => {
    fc.assert(
      fc.property(payloads(), fc.nat(), fc.integer({ min: 1, max: 255 }), (written, at, change) => {
        const bytes = segmentOf(written);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ change;
        const hit = written.findIndex((_, count) => segmentOf(written.slice(0, count + 1)).length > index);
        const reading = readFrames(bytes, true);
        expect(reading.payloads).toEqual(written.filter((_, count) => count !== hit));
        expect(reading.damages.length).toBeGreaterThan(0);
      }),
    );
  });

  it('finds its way back behind any bytes that are no record', () => {
    const wrong = fc.uint8Array({ minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(payloads(), wrong, payloads(), (before, bytes, after) => {
        const reading = readFrames(Buffer.concat([segmentOf(before), bytes, segmentOf(after)]), true);
        expect(reading.payloads).toEqual([...before, ...after]);
        expect(reading.damages).not.toEqual([]);
      }),
    );
  });

  it('reads the same in one piece and in many', () => {
    fc.assert(
      fc.property(
        payloads(),
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 1, max: 3 }),
        (written, step, most) => {
          const whole = segmentOf(written);
          const read: string[] = [];
          let offset = 0;
          for (let end = 0; offset < whole.length; end = Math.min(whole.length, end + step)) {
            const reading = readFrames(whole.subarray(offset, end), false, most);
            expect(reading.damages).toEqual([]);
            read.push(...reading.payloads);
            offset += reading.consumedBytes;
          }
          expect(read).toEqual(written);
        },
      ),
    );
  });

  it('refuses a record that is too large rather than cutting it', () => {
    const target = Buffer.alloc(MAX_FRAME_BYTES);
    for (const payload of ['x'.repeat(MAX_FRAME_BYTES), 'ü'.repeat(MAX_FRAME_BYTES / 2)]) {
      expect(() => writeFrame(payload, target)).toThrow(RangeError);
    }
    expect(writeFrame('x'.repeat(256 * 1024), target)).toBe(MAX_FRAME_BYTES);
  });
});
