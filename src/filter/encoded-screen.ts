import { continuationsOf, MIN_TEXT } from './encoded-bytes.js';

const BYTE_MASK = 0xff;
const DIGIT_BITS = 6;
const DIGITS_PER_GROUP = 4;
const BYTES_PER_GROUP = 3;

/** Kinds of bytes: 0 is a character by itself, 1 to 3 is the first of a character with so many bytes more; and these. */
const CONTINUATION = 4;
const NONE = 5;
const MOST_CONTINUATIONS = 3;

/** The kind of the byte that two neighbouring digits make: for each of the three bytes of a group, by both digits. */
const PAIRS = 2 ** (2 * DIGIT_BITS);
const kindOfPair = Uint8Array.from({ length: BYTES_PER_GROUP * PAIRS }, (_, entry) => {
  const inGroup = Math.floor(entry / PAIRS);
  return kindOf((entry >>> (DIGIT_BITS - 2 - 2 * inGroup)) & BYTE_MASK);
});

function kindOf(byte: number): number {
  if ((byte & 0xc0) === 0x80) return CONTINUATION;
  return continuationsOf(byte) ?? NONE;
}

/**
 * Whether digits of base64, read from `offset` on, may stand for a stretch of text as long as the shortest credential. False
 * only where they do not; told without reading most of what is random, or text in another alignment. A stretch holds
 * every byte of a window that begins with it: looked at from the window's end, the first byte that is none of a text's
 * tells where the next window begins.
 */
export function mayHoldText(digits: Uint8Array, offset: number, size: number): boolean {
  const length = Math.floor(((size - offset) * BYTES_PER_GROUP) / DIGITS_PER_GROUP);
  for (let from = 0; from + MIN_TEXT <= length; ) {
    const wrong = findWrong(digits, offset, from);
    if (wrong < from) return true;
    from = wrong + 1;
  }
  return false;
}

/** The last byte of the window at `from` that no stretch can go over; less than `from` where there is none. */
function findWrong(digits: Uint8Array, offset: number, from: number): number {
  let byte = from + MIN_TEXT - 1;
  let inGroup = byte % BYTES_PER_GROUP;
  let digit = offset + byte + (byte - inGroup) / BYTES_PER_GROUP;
  let continuations = 0;
  let isCut = true;
  for (; byte >= from; byte--) {
    const pair = ((digits[digit] as number) << DIGIT_BITS) | (digits[digit + 1] as number);
    const kind = kindOfPair[inGroup * PAIRS + pair] as number;
    if (kind === CONTINUATION) {
      if (++continuations > MOST_CONTINUATIONS) return byte;
    } else {
      // The window may end within a character, so that the last one may want more than there are.
      if (kind !== continuations && !(isCut && kind > continuations && kind <= MOST_CONTINUATIONS)) return byte;
      continuations = 0;
      isCut = false;
    }
    digit--;
    inGroup--;
    if (inGroup < 0) {
      inGroup = BYTES_PER_GROUP - 1;
      digit--;
    }
  }
  return byte;
}
