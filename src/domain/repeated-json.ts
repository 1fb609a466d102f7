const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const BEFORE_VALUE: ReadonlySet<string> = new Set([' ', ':', '\t']);

/**
 * A JSON text that comes over and over with other words in a few strings and everything else as it was, as the chunks of
 * a stream do. What those strings say is then read without parsing the rest again: a stream has thousands of chunks.
 */
export class RepeatedJson {
  /** What stands before, between and behind the strings, with their quotation marks. */
  private constructor(private readonly pieces: readonly string[]) {}

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
    const { pieces } = this;
    const written: string[] = [];
    let end = 0;
    for (let index = 0; index < pieces.length; index++) {
      const piece = pieces[index] as string;
      if (!json.startsWith(piece, end)) return null;
      const start = end + piece.length;
      if (index === pieces.length - 1) return start === json.length ? written : null;
      end = findEnd(json, start);
      if (end === -1) return null;
      written.push(json.slice(start, end));
    }
    return null;
  }

  /** The text with other strings in it, each as it is to be written. */
  write(written: readonly string[]): string {
    let json = '';
    for (const [index, piece] of this.pieces.entries()) json += piece + (written[index] ?? '');
    return json;
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
