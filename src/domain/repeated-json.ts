const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const NONE: readonly string[] = [];
const BEFORE_VALUE: ReadonlySet<string> = new Set([' ', ':', '\t']);

/**
 * A JSON text that comes over and over with other words in a few strings and everything else as it was, as the chunks of
 * a stream do. What those strings say is then read without parsing the rest again: a stream has thousands of chunks.
 */
export class RepeatedJson {
  private readonly first: string;
  /** Between the strings. */
  private readonly inner: readonly string[];
  private readonly last: string;

  /** What stands before, between and behind the strings, with their quotation marks: at least two pieces. */
  private constructor(pieces: readonly string[]) {
    this.first = pieces[0] ?? '';
    this.inner = pieces.length > 2 ? pieces.slice(1, -1) : NONE;
    this.last = pieces.at(-1) ?? '';
  }

  /**
   * Learns a text by the members whose strings change, in the order they stand in; those that are not in it are left
   * out. Null where one of the names stands in it twice, or for something other than a string, or none does, or where
   * anything but the strings is written with escapes.
   */
  static of(json: string, names: readonly string[]): RepeatedJson | null {
    const pieces: string[] = [];
    let from = 0;
    for (const name of names) {
      const key = `"${name}"`;
      const at = json.indexOf(key);
      if (at === -1) continue;
      // Within a string quotation marks are escaped: where it stands once, it stands for the member.
      let start = at + key.length;
      while (BEFORE_VALUE.has(json.charAt(start))) start++;
      const end = json.charCodeAt(start) === QUOTE ? findEnd(json, start + 1) : -1;
      if (at < from || end === -1 || json.indexOf(key, at + 1) !== -1) return null;
      pieces.push(json.slice(from, start + 1));
      from = end;
    }
    pieces.push(json.slice(from));
    // A name written with escapes would be the same member once more, and the one that counts.
    return pieces.length === 1 || pieces.some((piece) => piece.includes('\\')) ? null : new RepeatedJson(pieces);
  }

  /** The strings as they are written, escapes and all; null where anything else is not as it was. */
  read(json: string): string[] | null {
    const { first, inner, last } = this;
    // Cut out and compared: `startsWith` goes character by character, and takes four times as long.
    const lastAt = json.length - last.length;
    if (lastAt < first.length || json.slice(0, first.length) !== first || json.slice(lastAt) !== last) return null;
    const written: string[] = [];
    let start = first.length;
    for (const piece of inner) {
      const end = findEnd(json, start);
      if (end === -1 || json.slice(end, end + piece.length) !== piece) return null;
      written.push(json.slice(start, end));
      start = end + piece.length;
    }
    // The last piece begins with the quotation mark that ends the last string.
    if (findEnd(json, start) !== lastAt) return null;
    written.push(json.slice(start, lastAt));
    return written;
  }

  /** The text with other strings in it, each as it is to be written. */
  write(written: readonly string[]): string {
    let json = this.first + (written[0] ?? '');
    for (let index = 0; index < this.inner.length; index++) json += this.inner[index] + (written[index + 1] ?? '');
    return json + this.last;
  }
}

/** What a string says that is written so. */
export function readWritten(written: string): string {
  return written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written;
}

export function writeText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The quotation mark that ends the string; -1 where it has no end, or is none that JSON allows. */
function findEnd(json: string, from: number): number {
  let escapes = false;
  for (let at = from; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) return !escapes || isValid(json.slice(from, at)) ? at : -1;
    if (code < SPACE) return -1;
    if (code === BACKSLASH) {
      escapes = true;
      at++;
    }
  }
  return -1;
}

function isValid(written: string): boolean {
  try {
    JSON.parse(`"${written}"`);
    return true;
  } catch {
    return false;
  }
}
