import fc from 'fast-check';
import { holdsText } from '../../../src/filter/encoded-bytes.js';
import { mayHoldText } from '../../../src/filter/encoded-screen.js';

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The digits of base64 with so many others before them, and zeros behind. */
function screen(bytes: Uint8Array, before: number): boolean {
  const encoded = 'A'.repeat(before) + Buffer.from(bytes).toString('base64').replace(/=+$/, '');
  const digits = Uint8Array.from(encoded, (digit) => DIGITS.indexOf(digit));
  return mayHoldText(Uint8Array.of(...digits, 0, 0, 0), before, digits.length);
}

const noise = fc.uint8Array({ maxLength: 60 });
const texts = fc.string({ unit: 'binary', minLength: 16, maxLength: 40 });
const encodings = fc.constantFrom<BufferEncoding>('utf8', 'utf16le');
const offsets = fc.nat({ max: 3 });

describe('the look at base64 before it is decoded', () => {
  it('never passes over a text, whatever stands before and behind it', () => {
    fc.assert(
      fc.property(noise, texts, encodings, noise, offsets, (before, text, encoding, after, offset) => {
        const bytes = Buffer.concat([before, Buffer.from(text, encoding), after]);
        fc.pre(holdsText(bytes, bytes.length));
        expect(screen(bytes, offset)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('passes over nearly all that is random', () => {
    const isText = fc.sample(fc.uint8Array({ minLength: 64, maxLength: 64 }), 500).filter((bytes) => screen(bytes, 0));
    expect(isText.length).toBeLessThan(25);
  });

  it('passes over a text in another alignment', () => {
    const text = Buffer.from('the deployment of the service failed twice tonight; logs and settings are attached');
    const digits = Uint8Array.from(text.toString('base64'), (digit) => Math.max(0, DIGITS.indexOf(digit)));
    const passed = [0, 1, 2, 3].filter((offset) => mayHoldText(digits, offset, digits.length - 3));
    expect(passed).toEqual([0]);
  });
});
