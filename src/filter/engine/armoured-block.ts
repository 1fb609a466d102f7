import { ALPHANUMERICS, CharacterSet } from './character-set.js';
import { measureEntropy } from './validators.js';

const ENCODED = ALPHANUMERICS.union(CharacterSet.of('+/='));
/** What stands between the lines of a key in source code, JSON and quoted mail. */
const BETWEEN_LINES = ENCODED.union(CharacterSet.of(' \t\r\n\\"\'`,;|>*'));
/** The shortest line that can be a line of a key and is no word of a sentence. */
const MIN_ENCODED_LINE = 40;
const CLOSING_REST = /^ [A-Z0-9 ]{1,40}-----/i;
const MAX_CLOSING_REST = 48;

/**
 * Where the armoured block (PEM) ends whose opening line (it begins with `opening`) stands before `text`: after `closing`, or where what is encoded
 * ends if it is cut. Null where nothing encoded follows: an opening line alone is no key.
 */
export function findBlockEnd(text: string, opening: string, closing: string, minEntropy: number): number | null {
  // Where the next block opens this one is over, so that openings alone, however many, are read once.
  const nextAt = text.indexOf(opening);
  const own = nextAt === -1 ? text : text.slice(0, nextAt);
  const closingAt = own.indexOf(closing);
  const bodyEnd = closingAt === -1 ? own.length : closingAt;
  const line = findEncodedLine(text, bodyEnd, minEntropy);
  if (line === null) return null;
  if (closingAt !== -1) return endOfClosingLine(text, closingAt + closing.length);
  let end = line;
  while (end < bodyEnd && BETWEEN_LINES.has(text.charCodeAt(end))) end++;
  return end;
}

/** The end of the first line that holds key material. */
function findEncodedLine(text: string, limit: number, minEntropy: number): number | null {
  let start = 0;
  while (start < limit) {
    let end = start;
    while (end < limit && ENCODED.has(text.charCodeAt(end))) end++;
    if (end - start >= MIN_ENCODED_LINE && measureEntropy(text.slice(start, end)) >= minEntropy) return end;
    start = end + 1;
  }
  return null;
}

/** `-----END` is the beginning of `-----END RSA PRIVATE KEY-----`. */
function endOfClosingLine(text: string, from: number): number {
  const rest = CLOSING_REST.exec(text.slice(from, from + MAX_CLOSING_REST));
  return rest ? from + rest[0].length : from;
}
