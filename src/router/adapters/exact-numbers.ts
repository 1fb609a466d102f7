import { randomBytes } from 'node:crypto';

/**
 * JSON numbers that JavaScript would round (a 64-bit id, `1e400`), carried through a parse and a stringify unharmed:
 * each becomes a text that cannot be guessed, and that text becomes the number again.
 */
const MARK = `number-${randomBytes(16).toString('hex')}:`;
const MARKED = new RegExp(`"${MARK}([-+.0-9eE]+)"`, 'g');

/** A number needs 16 digits, or an exponent, to be more than a double holds. */
const SUSPECT = /\d{16}|\d[eE][-+]?\d/;
const NUMBER = /-?\d[-+.0-9eE]*/g;

/** Whether a JSON text may hold a number that a parse would change. False for nearly every text, and cheap. */
export function mayHoldExactNumbers(json: string): boolean {
  return SUSPECT.test(json);
}

/** Like `JSON.parse`, with a mark in the place of every number that would be rounded. Throws `SyntaxError`. */
export function parseExactly(json: string): unknown {
  const value: unknown = JSON.parse(json);
  return mayHoldExactNumbers(json) ? JSON.parse(markNumbers(json)) : value;
}

/** Like `JSON.stringify`, with the numbers as they once were. */
export function stringifyExactly(value: unknown): string {
  return restoreNumbers(JSON.stringify(value));
}

/** The numbers in place of their marks, in a JSON text written from what `parseExactly` gave. */
export function restoreNumbers(json: string): string {
  return json.includes(MARK) ? json.replace(MARKED, '$1') : json;
}

/** `json` is valid: a digit outside its strings is a number's. */
function markNumbers(json: string): string {
  let marked = '';
  let from = 0;
  while (from < json.length) {
    const quote = json.indexOf('"', from);
    const open = quote === -1 ? json.length : quote;
    marked += json.slice(from, open).replace(NUMBER, (number) => (isExact(number) ? number : `"${MARK}${number}"`));
    from = endOfString(json, open);
    marked += json.slice(open, from);
  }
  return marked;
}

/** The index after the closing quote. No expression finds it: a long string would exhaust its stack. */
function endOfString(json: string, open: number): number {
  let quote = json.indexOf('"', open + 1);
  while (quote !== -1) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    quote = json.indexOf('"', quote + 1);
  }
  return json.length;
}

/** Whether writing the parsed number out again says the same. */
function isExact(number: string): boolean {
  return String(Number(number)) === number || (number.replace(/\D/g, '').length < 16 && !/e/i.test(number));
}
